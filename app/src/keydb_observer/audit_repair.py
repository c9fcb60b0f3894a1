"""``audit --repair``: makes nodes equal by the rule of ``audit_repair_plan``, while they go on working.

Every node is written to that is not as it should be, and to nobody else. In a mesh what is written there reaches the
others too, which hold it already or need it as well. Nothing that was written meanwhile is overwritten. Where each node
stamps each key with the time of its latest write (KeyDB's active replicas) a value goes there by KEYDB.MVCCRESTORE with
the latest stamp that any node had when it was read: a node whose own copy is newer, because a client has just written
it, does not take it, neither from here nor by replication. Elsewhere, for members, and for what is refused because of a
stamp that keys share (KeyDB's small numbers), the key is watched, looked at once more, and written in a transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis import exceptions as redis_errors

from keydb_observer.audit import Difference, difference_between, is_still
from keydb_observer.audit_footing import Footing
from keydb_observer.audit_nodes import Nodes, States, errors_in
from keydb_observer.audit_reading import State
from keydb_observer.audit_repair_plan import Decision, Members, decide, lacking, union_of
from keydb_observer.audit_stamp import stamp_of
from keydb_observer.audit_undo_file import Copies, Copy, Record, UndoFile
from keydb_observer.duration import NS_PER_MILLISECOND
from keydb_observer.stream import Command, or_raise
from keydb_observer.trouble import diagnose, is_wrong_type

# Values of so many keys are held at a time, of every node.
_AT_ONCE = 20
_ATTEMPTS = 3
_MOST_TROUBLES = 5
_PIECE_ITEMS = 1000
_ARGUMENTS = 1000
# Longer than any value of this program's that has no payload to speak of. A longer one has no time that counts.
_LONGEST_TIMED = 1 << 16

_SCANS: Mapping[str, tuple[str, int]] = {"hash": ("HSCAN", 2), "set": ("SSCAN", 1), "zset": ("ZSCAN", 2)}


@dataclass
class RepairResult:
    """``planned`` counts keys by the rule that decided, ``repaired`` by the kind of difference that they had.

    ``busy`` keys changed meanwhile and were left alone; ``failed`` ones are still different. ``troubles`` are the first
    of the errors that nodes answered with.
    """

    planned: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    busy: int = 0
    failed: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def repaired_keys(self) -> int:
        """How many keys this made equal."""
        return sum(self.repaired.values())

    def note_plan(self, decisions: Sequence[Decision]) -> None:
        """Takes in what is meant to be done."""
        counts = Counter(self.planned)
        counts.update(decision.rule.value for decision in decisions)
        self.planned = dict(counts)

    def note_repaired(self, kind: str) -> None:
        """A key that differed in this is equal everywhere."""
        self.repaired[kind] = self.repaired.get(kind, 0) + 1

    def note_trouble(self, text: str) -> None:
        """A node answered with an error."""
        if text not in self.troubles and len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(text)


OnRepair = Callable[[int, int], None]
"""Is given how many keys are done with, and how many there are."""


async def plan(nodes: Nodes, differences: Sequence[Difference], order: Sequence[int]) -> list[Decision]:
    """What to do about each difference. Raises CannotAuditError."""
    decisions = []
    for part in _parts(differences):
        texts = await asyncio.gather(*(_texts_at(nodes, place, part) for place in nodes.places))
        for number, difference in enumerate(part):
            values = [texts[place][number] for place in nodes.places]
            decisions.append(decide(difference.key, difference.states, values, order))
    return decisions


async def _texts_at(nodes: Nodes, place: int, differences: Sequence[Difference]) -> list[bytes | None]:
    """The values that may carry a time; None for all others."""
    replies = iter(
        await nodes.ask(place, [("GETRANGE", each.key, 0, _LONGEST_TIMED) for each in differences if _may_be_timed(each)])
    )
    # An error is for the look that precedes a write: then it is not the string any more that it was.
    texts = [next(replies) if _may_be_timed(each) else None for each in differences]
    return [text if isinstance(text, bytes) and len(text) <= _LONGEST_TIMED else None for text in texts]


def _may_be_timed(difference: Difference) -> bool:
    return len({state.digest for state in difference.states if state.kind == "string"}) > 1


class Repairer:
    """Carries decisions out. ``settle`` is in seconds: how long a write may take to be everywhere."""

    def __init__(
        self,
        nodes: Nodes,
        footing: Footing,
        undo: UndoFile,
        settle: float,
        result: RepairResult,
        on_progress: OnRepair | None = None,
    ) -> None:
        self._nodes = nodes
        self._footing = footing
        self._undo = undo
        self._settle = settle
        self._result = result
        self._on_progress = on_progress
        self._written: set[bytes] = set()
        # How far each node's time of day is ahead of this host's monotonic clock, in ms.
        self._clocks: list[int] = []

    async def repair(self, decisions: Sequence[Decision]) -> None:
        """Raises CannotAuditError and UndoFileError."""
        self._clocks = [seconds * 1000 + us // 1000 - _now_ms() for seconds, us in await self._times()]
        pending = list(decisions)
        for attempt in range(_ATTEMPTS):
            touched = []
            for done, part in enumerate(_parts(pending)):
                touched += await self._write(part, trusts_stamps=attempt == 0)
                if self._on_progress:
                    self._on_progress(len(decisions) - len(pending) + done * _AT_ONCE, len(decisions))
            pending = await self._still_different(touched)
            if not pending:
                return
        self._result.failed += len(pending)

    async def _times(self) -> list[tuple[int, int]]:
        replies = await self._nodes.call_all([("TIME",)])
        return [(int(seconds), int(us)) for ((seconds, us),) in replies]

    async def _write(self, decisions: Sequence[Decision], *, trusts_stamps: bool) -> list[Decision]:
        """Returns those that were not left alone because somebody else was at them."""
        keys = [decision.key for decision in decisions]
        # In this order. What is written between these two is seen by the look; what is written after it is newer than
        # every stamp in the copies.
        copies = await self._copies(keys)
        self._undo.keep(
            [Record(each.key, had, each.changing, time.time_ns()) for each, had in zip(decisions, copies, strict=True)]
        )
        looks = await self._nodes.look(keys)
        quiet = [
            (decision, had)
            for decision, had, look in zip(decisions, copies, looks, strict=True)
            if is_still(decision.states, look)
        ]
        self._result.busy += len(decisions) - len(quiet)
        stamped, guarded = [], []
        for decision, had in quiet:
            stamp = self._stamp(decision, had) if trusts_stamps else None
            if stamp is None:
                guarded.append((decision, had))
            else:
                stamped.append((decision, had, stamp))
        await self._put_stamped(stamped)
        for decision, had in guarded:
            await self._put_guarded(decision, had)
        return [decision for decision, _ in quiet]

    async def _copies(self, keys: Sequence[bytes]) -> list[Copies]:
        commands: list[Command] = [command for key in keys for command in (("DUMP", key), ("PTTL", key))]
        by_place = []
        for replies in await self._nodes.call_all(commands):
            pairs = zip(replies[::2], replies[1::2], strict=True)
            by_place.append([Copy(dump, max(pttl, -1)) if dump is not None else None for dump, pttl in pairs])
        return list(zip(*by_place, strict=True))

    def _stamp(self, decision: Decision, had: Copies) -> int | None:
        """The latest stamp of the key; None where there is no whole value to be written, or no stamp to trust."""
        if not self._footing.is_stamped or decision.source is None or not _needs_value(decision):
            return None
        stamps = [stamp_of(copy.dump) for copy in had if copy]
        known = [stamp for stamp in stamps if stamp is not None]
        return max(known) if known and len(known) == len(stamps) and had[decision.source] else None

    async def _put_stamped(self, decisions: Sequence[tuple[Decision, Copies, int]]) -> None:
        for place in self._nodes.places:
            commands: list[Command] = []
            for decision, had, stamp in decisions:
                copy = None if decision.source is None else had[decision.source]
                if copy and place in decision.changing:
                    deadline = decision.deadline_ms
                    expire = -1 if deadline is None else deadline + self._clocks[place]
                    commands.append(("KEYDB.MVCCRESTORE", decision.key, stamp, expire, copy.dump))
                    self._written.add(decision.key)
            for reply in await self._nodes.ask(place, commands):
                self._note_errors(place, reply)

    async def _put_guarded(self, decision: Decision, had: Copies) -> None:
        """One node after the other. Where one is not as it was looked at, it is left for the next attempt."""
        first: dict[int, Members] = {}
        if decision.source is None:
            for place, state in enumerate(decision.states):
                members = await self._members(place, decision) if state.kind == decision.kind else {}
                if members is None:
                    return
                first[place] = members
        for place in decision.changing:
            await self._nodes.call(place, [("WATCH", decision.key)])
            if decision.source is None:
                commands = await self._commands_for_members(place, decision, first)
            else:
                commands = await self._commands_for_value(place, decision, had[decision.source])
            if commands:
                self._written.add(decision.key)
                replies = await self._nodes.ask(place, [("MULTI",), *commands, ("EXEC",)])
                self._note_errors(place, replies[-1])
            else:
                await self._nodes.call(place, [("UNWATCH",)])

    async def _commands_for_value(self, place: int, decision: Decision, copy: Copy | None) -> list[Command]:
        """None where the node has changed, or has what it needs by replication from one that was written to before."""
        (now,) = await self._nodes.look_at(place, [decision.key])
        before, wanted = decision.states[place], decision.wanted
        if now is None or wanted is None or copy is None or now.differs(before) or not now.differs(wanted):
            return []
        if (now.kind, now.digest) == (wanted.kind, wanted.digest):
            return [_expire(decision.key, decision.deadline_ms)]
        left = 0 if decision.deadline_ms is None else max(1, decision.deadline_ms - _now_ms())
        return [("RESTORE", decision.key, left, copy.dump, "REPLACE")]

    async def _commands_for_members(
        self, place: int, decision: Decision, first: Mapping[int, Members]
    ) -> list[Command]:
        having = {other: members for other, members in first.items() if decision.states[other].kind == decision.kind}
        union = union_of(having, self._footing.order)
        members = await self._members(place, decision)
        if members is None:
            return []
        # Neither what somebody else has changed in between, nor what replication has brought.
        missing = {
            member: value
            for member, value in lacking(union, members).items()
            if members.get(member) == first[place].get(member)
        }
        commands = [_give(decision.kind, decision.key, part) for part in _parts(list(missing.items()), _ARGUMENTS)]
        before = decision.states[place]
        wanted = State(decision.kind, before.digest, decision.deadline_ms)
        if before.differs(wanted) and (commands or members) and (before.kind != "none" or wanted.deadline_ms is not None):
            commands.append(_expire(decision.key, decision.deadline_ms))
        return commands

    async def _members(self, place: int, decision: Decision) -> Members | None:
        """All of them; None where the key is no such collection any more."""
        command, width = _SCANS[decision.kind]
        members: dict[bytes, bytes] = {}
        cursor: bytes | int = 0
        while True:
            (reply,) = await self._nodes.ask(place, [(command, decision.key, cursor, "COUNT", _PIECE_ITEMS)])
            if isinstance(reply, redis_errors.ResponseError) and is_wrong_type(reply):
                return None
            cursor, items = or_raise(reply)
            for start in range(0, len(items), width):
                members[items[start]] = items[start + 1] if width > 1 else b""
            if int(cursor) == 0:
                return members

    def _note_errors(self, place: int, reply: Any) -> None:
        for error in errors_in(reply):
            self._result.note_trouble(f"{self._nodes.nodes[place]}: {diagnose(error).text}")

    async def _still_different(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Looks until a difference is seen to persist, and decides anew about it. What somebody else wrote is left alone."""
        suspects: list[tuple[Decision, States]] = []
        await asyncio.sleep(self._settle if decisions else 0)
        for part in _parts(decisions):
            looks = await self._nodes.look([decision.key for decision in part])
            suspects += [
                (decision, look)
                for decision, look in zip(part, looks, strict=True)
                if not self._is_done(decision, look)
            ]
        if not suspects:
            return []
        await asyncio.sleep(self._settle)
        differences = []
        for suspected in _parts(suspects):
            looks = await self._nodes.look([decision.key for decision, _ in suspected])
            for (decision, earlier), look in zip(suspected, looks, strict=True):
                if self._is_done(decision, look):
                    continue
                if is_still(earlier, look) and _is_as_expected(decision, look):
                    states = tuple(state for state in look if state)
                    differences.append(Difference(decision.key, difference_between(look), states))
                else:
                    self._result.busy += 1
        return await plan(self._nodes, differences, self._footing.order)

    def _is_done(self, decision: Decision, look: States) -> bool:
        left = look[0]
        if None in look or left is None or difference_between(look):
            return False
        if decision.key in self._written:
            if decision.wanted and left.differs(decision.wanted) not in ("", "expiry"):
                # Somebody else has written it since, everywhere.
                self._result.busy += 1
            else:
                self._result.note_repaired(difference_between(decision.states))
                self._undo.repaired(decision.key, left)
        return True


def _is_as_expected(decision: Decision, look: States) -> bool:
    """Whether each node holds what it did or what it should. What a union comes to is not known beforehand."""
    wanted = decision.wanted
    return wanted is None or all(
        state is not None and not (state.differs(before) and state.differs(wanted))
        for state, before in zip(look, decision.states, strict=True)
    )


def _needs_value(decision: Decision) -> bool:
    """Or only another expiry."""
    wanted = decision.wanted
    return wanted is not None and any(
        (decision.states[place].kind, decision.states[place].digest) != (wanted.kind, wanted.digest)
        for place in decision.changing
    )


def _give(kind: str, key: bytes, members: Sequence[tuple[bytes, bytes]]) -> Command:
    if kind == "set":
        return ("SADD", key, *(member for member, _ in members))
    if kind == "zset":
        return ("ZADD", key, *(part for member, score in members for part in (score, member)))
    return ("HSET", key, *(part for member in members for part in member))


def _expire(key: bytes, deadline_ms: int | None) -> Command:
    return ("PERSIST", key) if deadline_ms is None else ("PEXPIRE", key, max(1, deadline_ms - _now_ms()))


def _now_ms() -> int:
    return time.monotonic_ns() // NS_PER_MILLISECOND


_Item = TypeVar("_Item")


def _parts(items: Sequence[_Item], size: int = _AT_ONCE) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
