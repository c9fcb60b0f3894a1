"""What an audit found, as JSON and as lines to read; and the command itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import uvloop
from tqdm import tqdm

from keydb_observer.audit import AuditResult, Difference, OnProgress, run_audit
from keydb_observer.audit_nodes import CannotAuditError
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.output import STANDARD_OUTPUT, write_whole
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose

SCHEMA = 1
_MOST_SHOWN = 20
_KEY_WIDTH = 60


def as_json(result: AuditResult) -> dict[str, Any]:
    """Bytes of a key that are no UTF-8 are shown as hexadecimal digits after a backslash and an x."""
    return {
        "schema": SCHEMA,
        "nodes": [node.name for node in result.nodes],
        "complete": result.is_complete,
        "examined": result.examined,
        "differing": result.differing,
        "by_kind": result.by_kind,
        "busy": result.busy,
        "differences": [
            {
                "key": shown_key(difference.key),
                "kind": difference.kind,
                "nodes": {
                    node.name: {
                        "type": state.kind,
                        "digest": state.digest.hex(),
                        "expires": state.deadline_ms is not None,
                    }
                    for node, state in zip(result.nodes, difference.states, strict=True)
                },
            }
            for difference in result.listed
        ],
    }


def render(result: AuditResult) -> str:
    """A sentence, and a line for each of the first differences."""
    names = ", ".join(node.name for node in result.nodes)
    lines = [f"{result.examined:,} keys compared on {names}: {result.differing:,} stay different"]
    if result.by_kind:
        lines[0] += " (" + ", ".join(f"{kind} {count:,}" for kind, count in sorted(result.by_kind.items())) + ")"
    if not result.is_complete:
        lines.append("the time for it ran out: there are keys that were not compared")
    if result.busy:
        lines.append(f"{result.busy:,} keys changed whenever they were looked at: nothing can be said of them")
    lines += [_line(result, difference) for difference in result.listed[:_MOST_SHOWN]]
    if result.differing > _MOST_SHOWN:
        lines.append(
            f"  and {result.differing - _MOST_SHOWN:,} more; --output has up to {len(result.listed):,} of them"
        )
    return "\n".join(lines)


def _line(result: AuditResult, difference: Difference) -> str:
    """Which nodes agree with which: those between bars are equal."""
    groups: list[list[int]] = []
    for place, state in enumerate(difference.states):
        for group in groups:
            if not state.differs(difference.states[group[0]]):
                group.append(place)
                break
        else:
            groups.append([place])
    sides = [
        f"{'absent' if difference.states[group[0]].kind == 'none' else difference.states[group[0]].kind} on "
        + ", ".join(result.nodes[place].name for place in group)
        for group in groups
    ]
    key = shown_key(difference.key)
    key = key if len(key) <= _KEY_WIDTH else f"{key[: _KEY_WIDTH - 1]}…"
    return f"  {key}: {difference.kind}: {' | '.join(sides)}"


def shown_key(key: bytes) -> str:
    """A key in one line; bytes that are no UTF-8 as hexadecimal digits."""
    text = key.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def compare_and_show(audit: AuditSettings, settings: Settings, logger: logging.Logger) -> int:
    """Compares, prints what came of it, and writes it to a file if that is wanted.

    Returns the exit code: 0 where nodes are equal, 1 where they are not, or a node could not be asked.
    """
    wants_bar = sys.stderr.isatty() if audit.progress is None else audit.progress
    try:
        with progress_bar(wants_bar) as on_progress:
            result = uvloop.run(run_audit(audit, settings, on_progress))
    except CannotAuditError as error:
        logger.error("audit: %s", error)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        logger.error("audit: stopped before its end")
        return 1
    print(render(result), file=sys.stderr if audit.output == STANDARD_OUTPUT else sys.stdout)
    try:
        if audit.output:
            write_whole(json.dumps(as_json(result), indent=2) + "\n", audit.output)
    except OSError as error:
        logger.error("audit: the result cannot be written: %s", diagnose(error).text)
        return 1
    return 1 if result.differing else 0


@contextlib.contextmanager
def progress_bar(is_wanted: bool) -> Iterator[OnProgress | None]:
    """Yields what shows how far an audit is, or None where that is not wanted."""
    if not is_wanted:
        yield None
        return
    with tqdm(unit=" keys", dynamic_ncols=True, leave=False, mininterval=0.25) as bar:

        def show(result: AuditResult, total: int) -> None:
            bar.total = max(total, result.scanned)
            bar.set_postfix_str(f"stay different {result.differing:,}", refresh=False)
            bar.update(result.scanned - bar.n)

        yield show
