"""A verdict on one page, in Markdown that is as readable in a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.judge_verdict import Check, Verdict

_MOST_SENTENCES = 15
_MOST_SHOWN = 3


def render(verdict: Verdict, pictures: Sequence[str]) -> str:
    """``pictures`` are the names of files beside it."""
    lines = [
        f"# {_title(verdict)}",
        "",
        *_about(verdict),
        "",
        *_table(("check", "found", "allowed", ""), [_row(check) for check in verdict.checks]),
        "",
        *_table(("time, s", "median", "p90", "max"), list(_times(verdict))),
        "",
        *_table(("fault", "times"), [(kind, str(count)) for kind, count in sorted(verdict.faults.items())]),
        "",
        *_sentences("Problems", verdict.problems),
        *_sentences("Remarks", [*verdict.remarks, *_not_possible(verdict)]),
        *_examples(verdict),
    ]
    png = [name for name in pictures if name.endswith(".png")]
    lines += [f"![faults, links, writes and reads over time]({name})" for name in png]
    return "\n".join(lines).rstrip() + "\n"


def _title(verdict: Verdict) -> str:
    facts = verdict.facts
    what = f"{facts.engine} {facts.engine_version}" if facts else "A run of which little is known"
    count = sum(verdict.faults.values())
    faults = f"{count} fault" if count == 1 else f"{count:,} faults"
    return f"{what}: {faults}, {'it holds' if verdict.holds else 'it does not hold'}"


def _about(verdict: Verdict) -> Iterator[str]:
    facts = verdict.facts
    counts = ", ".join(f"{count:,} {name}" for name, count in verdict.operations.items())
    if facts:
        begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(facts.begun_ns / NS_PER_SECOND))
        minutes = (facts.quiet_ns - facts.begun_ns) / NS_PER_SECOND / 60
        yield f"Inventory {facts.inventory or '-'}, seed {facts.seed}, begun {begun}, {minutes:.1f} minutes; hosts"
        yield f"{', '.join(facts.hosts)}. Operations: {counts}."
    else:
        yield f"Operations: {counts}."


def _row(check: Check) -> tuple[str, str, str, str]:
    allowed = "-" if check.allowed is None else f"{check.allowed:g}{check.unit}"
    if check.lacking:
        return check.text, "not checked", allowed, "NO"
    return check.text, check.shown, allowed, ("" if check.allowed is None else "yes" if check.holds else "NO")


def _times(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    for name, times in verdict.times.items():
        cells = (times.median, times.p90, times.max) if times else (None, None, None)
        yield name.removesuffix("_s").replace("_", " "), *("-" if cell is None else f"{cell:.2f}" for cell in cells)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column is of words, the others are of figures."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    yield line(headings)
    yield f"|{'|'.join('-' * (width + 1) + (':' if column else '-') for column, width in enumerate(widths))}|"
    yield from map(line, rows)


def _sentences(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if not sentences:
        return
    yield f"{title}:"
    yield ""
    yield from (f"- {sentence}" for sentence in sentences[:_MOST_SENTENCES])
    if len(sentences) > _MOST_SENTENCES:
        yield f"- And {len(sentences) - _MOST_SENTENCES} more, in verdict.json."
    yield ""


def _not_possible(verdict: Verdict) -> Iterator[str]:
    for kind, why in verdict.not_possible.items():
        yield f"{kind}: {why}."


def _examples(verdict: Verdict) -> Iterator[str]:
    if not verdict.examples:
        return
    yield "Examples:"
    yield ""
    for name, findings in verdict.examples.items():
        for finding in findings[:_MOST_SHOWN]:
            who = f"{finding.host}: " if finding.host else ""
            about = f"`{finding.key}` {finding.value}".rstrip() + ", " if finding.key else ""
            yield f"- {name}: {who}{about}{finding.text}"
    yield ""
