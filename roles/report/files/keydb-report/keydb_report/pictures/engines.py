"""Engines side by side: throughput at equal conditions, and how late events are at a low rate."""

from __future__ import annotations

from typing import Any

from keydb_report.bench import CONDITIONS, Row, conditions_text, rows, title
from keydb_report.cited import NotMeasuredError, Sentence, say
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn, with_spread
from keydb_report.svg import canvas, fill, plain_ticks

# More would be too small to be read; the table has all.
_MOST_CONDITIONS = 8


def contestant(bench: Document, row: Row) -> Sentence:
    """An engine with its threads."""
    threads = bench.number(*row.path, "threads")
    one = threads.value == 1
    return say(
        f"{{engine}}, {{threads}} thread{'' if one else 's'}",
        engine=title(bench, str(row.about.get("engine"))),
        threads=threads,
    )


def draw(inputs: Inputs) -> Drawn:
    """Conditions at which most engines were measured come first."""
    bench = inputs.document("bench")
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows(bench, "throughput"):
        found.setdefault(row.key(CONDITIONS), []).append(row)
    if not found:
        raise NotMeasuredError(f"{bench.label} has no throughput")
    groups = sorted(found.values(), key=_place)
    shown = groups[:_MOST_CONDITIONS]
    labels = {contestant(bench, row).text: contestant(bench, row) for group in shown for row in group}
    names = list(labels)
    height = 1.0 + 0.32 * len(shown) + 0.24 * sum(map(len, shown))
    with canvas("engines", height=height) as drawing:
        panel, y = drawing.panels[0], 0.0
        for group in shown:
            drawing.words(panel, 0, y, conditions_text(bench, group[0]))
            for row in group:
                y += 1
                name = contestant(bench, row).text
                drawing.bar(panel, y, bench.figure(*row.path, "rate"), name, names.index(name))
            y += 1.5
        panel.set_ylim(y - 0.5, -1)
        panel.set_yticks([])
        panel.grid(visible=False, axis="y")
        panel.set_xlim(left=0)
        plain_ticks(panel.xaxis)
        panel.locator_params(axis="x", nbins=5)
        panel.set_xlabel("operations/s, median and spread")
        for place, name in enumerate(names):
            panel.bar(0, 0, label=name, **fill(place))
        drawing.legend(labels)
        about = "A bar per engine and condition; the longer, the more operations each second."
        svg = drawing.render("Engines side by side", about)
    table: list[list[Cell]] = [_row(bench, row) for group in groups for row in group]
    table += [_tail_row(bench, row) for row in (rows(bench, "tail") if bench.find("tail") else [])]
    return Drawn(svg, about, ("engine", "what", "rate/s", "p50, ms", "p99, ms"), table)


def _place(group: list[Row]) -> tuple[int, bool]:
    return -len({row.about.get("engine") for row in group}), group[0].about.get("scheduling") == "fifo"


def _row(bench: Document, row: Row) -> list[Cell]:
    cited = [with_spread(bench, *row.path, of) for of in ("rate", "p50", "p99")]
    return [contestant(bench, row), conditions_text(bench, row), *cited]


def _tail_row(bench: Document, row: Row) -> list[Cell]:
    cited = [with_spread(bench, *row.path, of) for of in ("p50", "p99")]
    return [contestant(bench, row), "write to event", bench.number(*row.path, "offered"), *cited]
