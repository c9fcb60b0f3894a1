"""``audit``: compares all nodes key by key while they work, and tells in what they stay different.

Each node is scanned in turn, and what a scan finds is read at every node. Traffic makes nodes differ for a moment, so a
difference counts only if it persists: the nodes still differ at a later look, and none of them has changed meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from keydb_observer.audit_nodes import Nodes, States, connected
from keydb_observer.audit_reading import State
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings

# Keys that differ at the first look and wait for the next one. More are settled in between, so memory is bounded.
_MOST_SUSPECTS = 20_000
MOST_LISTED = 10_000
"""Differences that are kept one by one; beyond that they are counted."""


@dataclass(frozen=True)
class Difference:
    """``kind`` says in what two nodes differ: presence, type, value or expiry, the gravest of them."""

    key: bytes
    kind: str
    states: tuple[State, ...]


@dataclass
class AuditResult:
    """``by_kind`` counts differences that persist, and ``listed`` are the first of them.

    ``scanned`` counts keys that scans brought, some of them more than once, ``examined`` those that were compared,
    ``suspected`` those that differed at the first look. ``busy`` are keys that differed at every look, but changed
    between two looks: nothing can be said of them. ``is_complete`` unless the time for it ran out before the end.
    """

    nodes: tuple[Node, ...]
    scanned: int = 0
    examined: int = 0
    suspected: int = 0
    busy: int = 0
    is_complete: bool = True
    by_kind: dict[str, int] = field(default_factory=dict)
    listed: list[Difference] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """How many keys stay different."""
        return sum(self.by_kind.values())

    def note(self, difference: Difference) -> None:
        """Takes in a difference that persists."""
        self.by_kind[difference.kind] = self.by_kind.get(difference.kind, 0) + 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(difference)


OnProgress = Callable[[AuditResult, int], None]
"""Is given what is known so far, and how many keys the nodes say they have, all together."""


def difference_between(states: States) -> str:
    """The gravest difference between any two of them; "" where all are equal, or one is not known."""
    if None in states:
        return ""
    known = [state for state in states if state]
    found = {one.differs(other) for place, one in enumerate(known) for other in known[place + 1 :]}
    return next((kind for kind in ("presence", "type", "value", "expiry") if kind in found), "")


def is_still(earlier: States, later: States) -> bool:
    """Whether no node has changed the key between two looks."""
    return all(one and other and not one.differs(other) for one, other in zip(earlier, later, strict=True))


async def run_audit(audit: AuditSettings, settings: Settings, on_progress: OnProgress | None = None) -> AuditResult:
    """Compares all ``settings.nodes``. Raises CannotAuditError."""
    async with connected(settings) as nodes:
        return await compare(nodes, audit, on_progress)


async def compare(nodes: Nodes, audit: AuditSettings, on_progress: OnProgress | None = None) -> AuditResult:
    """Compares nodes that are connected. Raises CannotAuditError."""
    return await _Auditor(audit, nodes, on_progress).run()


class _Auditor:
    def __init__(self, audit: AuditSettings, nodes: Nodes, on_progress: OnProgress | None) -> None:
        self._audit = audit
        self._nodes = nodes
        self._on_progress = on_progress
        self._result = AuditResult(nodes.nodes)
        self._suspects: dict[bytes, States] = {}
        self._total = 0

    async def run(self) -> AuditResult:
        self._total = sum(size for (size,) in await self._nodes.call_all([("DBSIZE",)]))
        began = time.monotonic()
        share = None if self._audit.within is None else self._audit.within / len(self._nodes.places)
        for place in self._nodes.places:
            ends = math.inf if share is None else began + share * (place + 1)
            async for keys in self._scan(place, ends):
                self._result.scanned += len(keys)
                await self._examine(await self._without_known(keys, place))
                if len(self._suspects) >= _MOST_SUSPECTS:
                    await self._settle()
                if self._on_progress:
                    self._on_progress(self._result, self._total)
        await self._settle()
        return self._result

    async def _scan(self, place: int, ends: float) -> AsyncIterator[list[bytes]]:
        command = ("MATCH", self._audit.match, "COUNT", self._audit.batch)
        cursor: bytes | int = 0
        while True:
            ((cursor, keys),) = await self._nodes.call(place, [("SCAN", cursor, *command)])
            # A scan may give a key twice.
            yield list(dict.fromkeys(keys))
            if int(cursor) == 0:
                return
            if time.monotonic() >= ends:
                self._result.is_complete = False
                return

    async def _without_known(self, keys: list[bytes], place: int) -> list[bytes]:
        """Without those that an earlier node has, whose scan has brought them already."""
        for earlier in range(place):
            there = await self._nodes.call(earlier, [("EXISTS", key) for key in keys])
            keys = [key for key, exists in zip(keys, there, strict=True) if not exists]
        return keys

    async def _examine(self, keys: list[bytes]) -> None:
        for key, states in zip(keys, await self._nodes.look(keys), strict=True):
            if None in states or difference_between(states):
                self._suspects[key] = states
                self._result.suspected += 1
        self._result.examined += len(keys)

    async def _settle(self) -> None:
        """Looks at the suspects until each is equal, or different for good, or too busy to be told."""
        for _ in range(self._audit.looks):
            if not self._suspects:
                return
            await asyncio.sleep(self._audit.settle)
            suspects, self._suspects = list(self._suspects.items()), {}
            for start in range(0, len(suspects), self._audit.batch):
                await self._look_again(dict(suspects[start : start + self._audit.batch]))
        self._result.busy += len(self._suspects)
        self._suspects = {}

    async def _look_again(self, suspects: dict[bytes, States]) -> None:
        for (key, earlier), states in zip(suspects.items(), await self._nodes.look(list(suspects)), strict=True):
            kind = difference_between(states)
            if kind and is_still(earlier, states):
                self._result.note(Difference(key, kind, tuple(state for state in states if state)))
            elif kind or None in states:
                self._suspects[key] = states
