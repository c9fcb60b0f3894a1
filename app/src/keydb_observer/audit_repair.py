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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keydb_observer.audit import Difference, difference_between, is_still
from keydb_observer.audit_footing import Footing
from keydb_observer.audit_members import giving, read_members
from keydb_observer.audit_nodes import Nodes, States, errors_in
from keydb_observer.audit_planning import AT_ONCE, parts, plan
from keydb_observer.audit_reading import State
from keydb_observer.audit_repair_plan import Decision, Members, lacking, union_of
from keydb_observer.audit_repair_result import RepairResult
from keydb_observer.audit_stamp import stamp_of
from keydb_observer.audit_undo_file import Copies, Copy, Record, UndoFile
from keydb_observer.duration import NS_PER_MILLISECOND
from keydb_observer.stream import Command
from keydb_observer.trouble import diagnose

_ATTEMPTS = 3
# At one node: what replication brings from another one that was just written to is in the way of a transaction.
_TRANSACTIONS = 3

OnRepair = Callable[[int, int], None]
"""Is given how many keys are done with, and how many there are."""


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
            for done, part in enumerate(parts(pending)):
                touched += await self._write(part, trusts_stamps=attempt == 0)
                if self._on_progress:
                    self._on_progress(len(decisions) - len(pending) + done * AT_ONCE, len(decisions))
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
            asked: list[Decision] = []
            commands: list[Command] = []
            for decision, had, stamp in decisions:
                copy = None if decision.source is None else had[decision.source]
                if copy and place in decision.changing:
                    deadline = decision.deadline_ms
                    expire = -1 if deadline is None else deadline + self._clocks[place]
                    commands.append(("KEYDB.MVCCRESTORE", decision.key, stamp, expire, copy.dump))
                    asked.append(decision)
            replies = await self._nodes.ask(place, commands)
            for decision, reply in zip(asked, replies, strict=True):
                self._note_reply(place, decision, reply)

    async def _put_guarded(self, decision: Decision, had: Copies) -> None:
        """One node after the other. Where one is not as it was looked at, it is left for the next attempt."""
        first: dict[int, Members] = {}
        if decision.source is None:
            for place, state in enumerate(decision.states):
                members: Members | None = {}
                if state.kind == decision.kind:
                    members = await read_members(self._nodes, place, decision.key, decision.kind)
                if members is None:
                    return
                first[place] = members
        for place in decision.changing:
            for _ in range(_TRANSACTIONS):
                await self._nodes.call(place, [("WATCH", decision.key)])
                if decision.source is None:
                    commands = await self._commands_for_members(place, decision, first)
                else:
                    commands = await self._commands_for_value(place, decision, had[decision.source])
                if not commands:
                    await self._nodes.call(place, [("UNWATCH",)])
                    break
                reply = (await self._nodes.ask(place, [("MULTI",), *commands, ("EXEC",)]))[-1]
                if reply is not None:
                    self._note_reply(place, decision, reply)
                    break

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
        members = await read_members(self._nodes, place, decision.key, decision.kind)
        if members is None:
            return []
        # Neither what somebody else has changed in between, nor what replication has brought.
        missing = {
            member: value
            for member, value in lacking(union, members).items()
            if members.get(member) == first[place].get(member)
        }
        commands = giving(decision.kind, decision.key, missing)
        before = decision.states[place]
        # What is made here has none yet; from what is there one may have to be taken away.
        wanted = State(decision.kind, before.digest, decision.deadline_ms)
        is_due = before.differs(wanted) if before.kind != "none" else decision.deadline_ms is not None
        if is_due and (commands or members):
            commands.append(_expire(decision.key, decision.deadline_ms))
        return commands

    def _note_reply(self, place: int, decision: Decision, reply: Any) -> None:
        errors = errors_in(reply)
        for error in errors:
            self._result.note_trouble(f"{self._nodes.nodes[place]}: {diagnose(error).text}")
        if not errors:
            self._written.add(decision.key)

    async def _still_different(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Looks until a difference is seen to persist, and decides anew. What somebody else wrote is left alone."""
        suspects: list[tuple[Decision, States]] = []
        await asyncio.sleep(self._settle if decisions else 0)
        for part in parts(decisions):
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
        for suspected in parts(suspects):
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


def _expire(key: bytes, deadline_ms: int | None) -> Command:
    return ("PERSIST", key) if deadline_ms is None else ("PEXPIRE", key, max(1, deadline_ms - _now_ms()))


def _now_ms() -> int:
    return time.monotonic_ns() // NS_PER_MILLISECOND
