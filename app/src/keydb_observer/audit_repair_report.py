"""What a repair means to do and did, as lines to read and as JSON; and the commands ``--repair`` and ``--undo``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop
from tqdm import tqdm

from keydb_observer.audit import AuditResult
from keydb_observer.audit_footing import NotNowError, ReplicaError
from keydb_observer.audit_nodes import CannotAuditError
from keydb_observer.audit_repair import OnRepair
from keydb_observer.audit_repair_plan import Decision, Rule
from keydb_observer.audit_repair_result import RepairResult
from keydb_observer.audit_repair_run import Watchers, run_repair
from keydb_observer.audit_report import as_json, progress_bar, render, shown_key
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.audit_undo import UndoResult, run_undo
from keydb_observer.audit_undo_file import Undo, UndoFileError
from keydb_observer.nodes import Node
from keydb_observer.output import STANDARD_OUTPUT, write_whole
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose

EXIT_EQUAL, EXIT_DIFFERENT, EXIT_REFUSED = 0, 1, 2
_MOST_SHOWN = 20


def render_plan(result: AuditResult, decisions: Sequence[Decision]) -> str:
    """What the audit found, then how many keys each rule decides about, then the first of them."""
    lines = [render(result)]
    if decisions:
        counts = Counter(decision.rule.value for decision in decisions)
        lines.append(f"to be repaired: {_counts(counts)}")
        lines += [f"  {_decision_line(result.nodes, decision)}" for decision in decisions[:_MOST_SHOWN]]
    if len(decisions) > _MOST_SHOWN:
        lines.append(f"  and {len(decisions) - _MOST_SHOWN:,} more")
    return "\n".join(lines)


def _decision_line(nodes: Sequence[Node], decision: Decision) -> str:
    key, changing = shown_key(decision.key), ", ".join(nodes[place].name for place in decision.changing)
    if decision.source is None or decision.rule is Rule.DEADLINE:
        return f"{key}: {decision.rule.value}: on {changing}"
    get = "gets" if len(decision.changing) == 1 else "get"
    source = nodes[decision.source].name
    return f"{key}: {decision.rule.value}: {changing} {get} the {decision.kind} of {source}"


def render_repair(result: RepairResult, undo_file: object) -> str:
    """A sentence about what was done, and a line for each thing that was not."""
    lines = [repair_sentence(result, undo_file)]
    if result.busy:
        lines.append(f"{result.busy:,} keys changed meanwhile and were left alone")
    if result.failed:
        lines.append(f"{result.failed:,} keys are still different")
    return "\n".join([*lines, *result.troubles])


def repair_sentence(result: RepairResult, undo_file: object) -> str:
    """Such as: ``12 keys repaired (presence 10, value 2); undo file: /tmp/undo``."""
    kinds = f" ({_counts(result.repaired)})" if result.repaired else ""
    file = f"; undo file: {undo_file}" if undo_file else ""
    return f"{result.repaired_keys:,} key{'' if result.repaired_keys == 1 else 's'} repaired{kinds}{file}"


def render_undo(result: UndoResult) -> str:
    """The same of an undo."""
    lines = [f"{result.undone:,} keys put back"]
    if result.changed:
        lines.append(f"{result.changed:,} keys are not as the repair left them, and were left alone")
    if result.unfinished:
        lines.append(f"{result.unfinished:,} keys were not repaired, so that there is nothing to put back")
    return "\n".join([*lines, *dict.fromkeys(result.troubles)])


def repair_as_json(audit: AuditResult, repair: RepairResult) -> dict[str, Any]:
    """The audit's, with ``repair`` beside it."""
    return {
        **as_json(audit),
        "repair": {
            "planned": repair.planned,
            "repaired": repair.repaired,
            "busy": repair.busy,
            "failed": repair.failed,
            "troubles": repair.troubles,
        },
    }


def repair_and_show(audit: AuditSettings, settings: Settings, logger: logging.Logger) -> int:
    """Prints what is to be done, does it unless it is a dry run, and prints what came of it.

    Returns the exit code: 0 where the nodes are equal now, 1 where they are not, 2 where they may not be repaired.
    """
    stream = sys.stderr if audit.output == STANDARD_OUTPUT else sys.stdout
    wants_bar = sys.stderr.isatty() if audit.progress is None else audit.progress
    with _explained(logger) as failure, progress_bar(wants_bar) as on_audit, _repair_bar(wants_bar) as on_repair:
        watchers = Watchers(
            on_audit, lambda found, decisions: print(render_plan(found, decisions), file=stream, flush=True), on_repair
        )
        found, repaired = uvloop.run(run_repair(audit, settings, watchers))
    if failure:
        return failure[0]
    is_repair = audit.undo_file is not None and not audit.dry_run
    if is_repair:
        made = audit.undo_file if audit.undo_file and audit.undo_file.exists() else None
        print(render_repair(repaired, made), file=stream)
    elif found.differing:
        print("a dry run: nothing was changed", file=stream)
    try:
        if audit.output:
            write_whole(json.dumps(repair_as_json(found, repaired), indent=2) + "\n", audit.output)
    except OSError as error:
        logger.error("audit: the result cannot be written: %s", diagnose(error).text)
        return EXIT_DIFFERENT
    left = repaired.failed if is_repair else found.differing
    return EXIT_DIFFERENT if left else EXIT_EQUAL


def undo_and_show(audit: AuditSettings, settings: Settings, logger: logging.Logger) -> int:
    """Puts back what a repair changed. Returns 0 where that is all of it, 1 where it is not, 2 where it may not be."""
    if audit.undo is None:
        return EXIT_REFUSED
    with _explained(logger) as failure:
        result = uvloop.run(run_undo(Undo.read(audit.undo), audit.undo_as, settings))
    if failure:
        return failure[0]
    print(render_undo(result))
    return EXIT_DIFFERENT if result.changed or result.troubles else EXIT_EQUAL


@contextlib.contextmanager
def _explained(logger: logging.Logger) -> Iterator[list[int]]:
    """Logs why it came to nothing, and puts the exit code for that into the list."""
    failure: list[int] = []
    try:
        yield failure
    except CannotAuditError as error:
        logger.error("audit: %s", error)
        failure.append(EXIT_DIFFERENT)
    except NotNowError as error:
        logger.error("audit: %s: not repaired around; once it is well, try again", error)
        failure.append(EXIT_DIFFERENT)
    except (ReplicaError, UndoFileError) as error:
        logger.error("audit: %s", error)
        failure.append(EXIT_REFUSED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        logger.error("audit: stopped before its end; what was done so far is in the undo file")
        failure.append(EXIT_DIFFERENT)


@contextlib.contextmanager
def _repair_bar(is_wanted: bool) -> Iterator[OnRepair | None]:
    if not is_wanted:
        yield None
        return
    with contextlib.ExitStack() as stack:
        bars: list[Any] = []

        def show(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(tqdm(desc="repair", unit=" keys", leave=False, mininterval=0.25)))
            bars[0].total = total
            bars[0].update(done - bars[0].n)

        yield show


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
