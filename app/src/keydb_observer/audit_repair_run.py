"""A repair from its beginning to its end: look, decide, show what is meant to be done, do it, look again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from keydb_observer.audit import AuditResult, OnProgress, compare
from keydb_observer.audit_footing import Footing, footing_of
from keydb_observer.audit_nodes import Nodes, connected
from keydb_observer.audit_planning import plan
from keydb_observer.audit_repair import OnRepair, Repairer
from keydb_observer.audit_repair_plan import Decision
from keydb_observer.audit_repair_result import RepairResult
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.audit_undo_file import UndoFile
from keydb_observer.settings import Settings


@dataclass(frozen=True)
class Watchers:
    """Who is told how it goes. ``plan`` is given what an audit found and what is meant to be done about it."""

    audit: OnProgress | None = None
    plan: Callable[[AuditResult, Sequence[Decision]], None] | None = None
    repair: OnRepair | None = None


async def run_repair(audit: AuditSettings, settings: Settings, watchers: Watchers) -> tuple[AuditResult, RepairResult]:
    """Audits all ``settings.nodes``, and makes them equal unless it is a dry run.

    Raises CannotAuditError, ReplicaError, NotNowError and UndoFileError.
    """
    undo_file = None if audit.dry_run else audit.undo_file
    async with connected(settings) as nodes:
        return await repair_nodes(nodes, await footing(nodes), audit, undo_file, watchers)


async def footing(nodes: Nodes) -> Footing:
    """What the nodes stand on now. Raises CannotAuditError, ReplicaError and NotNowError."""
    return footing_of(nodes.nodes, await nodes.infos())


async def repair_nodes(
    nodes: Nodes, found: Footing, audit: AuditSettings, undo_file: Path | None, watchers: Watchers
) -> tuple[AuditResult, RepairResult]:
    """The same for nodes that are connected. Without an ``undo_file`` nothing is changed.

    An audit keeps so many differences and no more. Where there are more, it audits again, until there are none or the
    nodes have not become more equal. The audit returned is the first.
    """
    result = RepairResult()
    undo = UndoFile(undo_file, [node.name for node in nodes.nodes]) if undo_file else None
    first: AuditResult | None = None
    try:
        while True:
            compared = await compare(nodes, audit, watchers.audit)
            first = first or compared
            decisions = await plan(nodes, compared.listed, found.order)
            result.note_plan(decisions)
            if watchers.plan:
                watchers.plan(compared, decisions)
            before = result.repaired_keys
            if undo:
                await Repairer(nodes, found, undo, audit.settle, result, watchers.repair).repair(decisions)
            if compared.differing <= len(compared.listed) or result.repaired_keys == before:
                return first, result
            found = await footing(nodes)
    finally:
        if undo:
            undo.close()
