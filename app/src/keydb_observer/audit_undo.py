"""``audit --undo``: puts back what nodes had before a repair.

Nodes that know nothing of each other each get their own back. In a mesh every write reaches all nodes, so that they
cannot be made different again: there all get what one of them had, which is the node that is named, or else the first
one whose copy the repair changed. A key that is not as the repair left it is left alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from keydb_observer.audit import difference_between
from keydb_observer.audit_footing import Footing
from keydb_observer.audit_nodes import Nodes, connected, errors_in
from keydb_observer.audit_reading import State
from keydb_observer.audit_repair_run import footing
from keydb_observer.audit_undo_file import Copy, Record, Undo, UndoFileError
from keydb_observer.duration import NS_PER_MILLISECOND
from keydb_observer.settings import Settings
from keydb_observer.stream import Command
from keydb_observer.trouble import diagnose


@dataclass
class UndoResult:
    """``undone`` keys are as they were; ``changed`` ones were written since, and ``unfinished`` ones never repaired."""

    undone: int = 0
    changed: int = 0
    unfinished: int = 0
    troubles: list[str] = field(default_factory=list)


async def run_undo(undo: Undo, as_node: str | None, settings: Settings) -> UndoResult:
    """Puts back what ``undo`` has. Raises CannotAuditError, ReplicaError, NotNowError and UndoFileError."""
    async with connected(settings) as nodes:
        found = await footing(nodes)
        names = [node.name for node in nodes.nodes]
        for name in undo.nodes:
            if name not in names:
                raise UndoFileError(f"{undo.path}: it is of the nodes {', '.join(undo.nodes)}; no --node is {name}")
        if as_node is not None and as_node not in undo.nodes:
            raise UndoFileError(f"{undo.path}: it is of the nodes {', '.join(undo.nodes)}, of which none is {as_node}")
        places = [names.index(name) for name in undo.nodes]
        return await _Undoer(nodes, found, undo, places, as_node).run()


class _Undoer:
    def __init__(self, nodes: Nodes, found: Footing, undo: Undo, places: list[int], as_node: str | None) -> None:
        self._nodes = nodes
        self._is_mesh = found.is_mesh
        self._undo = undo
        # Of the file's nodes, among those that are connected.
        self._places = places
        self._as = undo.nodes.index(as_node) if as_node is not None else None
        self._result = UndoResult()

    async def run(self) -> UndoResult:
        for record in self._undo.records():
            left = self._undo.left.get(record.key)
            if left is None:
                self._result.unfinished += 1
            elif await self._put_back(record, left):
                self._result.undone += 1
            else:
                self._result.changed += 1
        return self._result

    async def _put_back(self, record: Record, left: State) -> bool:
        """Whether nobody else was at it."""
        (look,) = await self._nodes.look([record.key])
        if look[0] is None or difference_between(look) or not _is_as_left(look[0], left):
            return False
        chosen = self._as if self._as is not None else record.changed[0]
        wanted = [chosen] if self._is_mesh else list(range(len(record.had)))
        for number in wanted:
            if not await self._put_back_at(self._places[number], record, record.had[number], left):
                return False
        return True

    async def _put_back_at(self, place: int, record: Record, had: Copy | None, left: State) -> bool:
        await self._nodes.call(place, [("WATCH", record.key)])
        (now,) = await self._nodes.look_at(place, [record.key])
        if now is None or not _is_as_left(now, left):
            await self._nodes.call(place, [("UNWATCH",)])
            return False
        replies = await self._nodes.ask(place, [("MULTI",), _command(record, had), ("EXEC",)])
        errors = errors_in(replies[-1])
        self._result.troubles += [f"{self._nodes.nodes[place]}: {diagnose(error).text}" for error in errors]
        return replies[-1] is not None and not errors


def _is_as_left(now: State, left: State) -> bool:
    return (now.kind, now.digest) == (left.kind, left.digest)


def _command(record: Record, had: Copy | None) -> Command:
    if had is None:
        return ("DEL", record.key)
    if had.pttl < 0:
        return ("RESTORE", record.key, 0, had.dump, "REPLACE")
    left = had.pttl - (time.time_ns() - record.at_ns) // NS_PER_MILLISECOND
    # What has expired since then would not be there either.
    return ("RESTORE", record.key, left, had.dump, "REPLACE") if left > 0 else ("DEL", record.key)
