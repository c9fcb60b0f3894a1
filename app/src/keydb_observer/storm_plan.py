"""What a storm does next, and to which key. Does no input or output.

What makes a history easy to judge is decided here. No two operations on one key are under way at once, but for counters
and keys of all hosts. A key whose set may or may not have been done is left alone from then on: a server that was
frozen may do it late, and nothing could then tell that from a loss. Most keys are set only once or twice, so that a
loss is not covered up by the next write.
"""

from __future__ import annotations

import enum
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from keydb_observer.history import Do, Operation, Outcome
from keydb_observer.storm_keys import KeyKind, kind_of, storm_key
from keydb_observer.storm_settings import StormSettings
from keydb_observer.stream import Command

# Of a hundred.
_SHARES: Mapping[KeyKind, int] = {
    KeyKind.PLAIN: 30,
    KeyKind.DURABLE: 20,
    KeyKind.COUNTER: 15,
    KeyKind.GONE: 15,
    KeyKind.BRIEF: 10,
    KeyKind.BOTH: 10,
}
_AGAIN = 0.25
"""Of the sets of a key that may be set again, so many are to the one that was set last."""
_SHORTEST_MS, _LONGEST_MS = 200, 2000
_NOT_YET = "sent"


class Lane(enum.Enum):
    """Whether an operation waits for replicas, which must not hold up the others."""

    PLAIN = "plain"
    DURABLE = "durable"


@dataclass(frozen=True)
class Step:
    """What is to be done next: a kind of key, and whether one of them is to be deleted."""

    kind: KeyKind
    deletes: bool = False


class Plan:
    """Choices of one process on ``host``, whose operations are numbered from ``first_op`` on.

    Keys have the number of the operation that was the first to use them, so that none comes back in a later process.
    """

    def __init__(self, storm: StormSettings, host: str, first_op: int) -> None:
        self._host = host
        self._waits = storm.durable > 0
        self._random = random.Random(f"{storm.seed} {host} {first_op}")  # noqa: S311 - it is to be repeatable
        self._next_op = first_op
        kinds = [kind for kind in _SHARES if self._waits or kind is not KeyKind.DURABLE]
        self._kinds, self._weights = kinds, [_SHARES[kind] for kind in kinds]
        self._pools = {kind: _Pool(storm.keys) for kind in (KeyKind.PLAIN, KeyKind.DURABLE)}
        self._counters = range(first_op, first_op + storm.hot_keys)
        self._shared = range(storm.hot_keys)
        self._to_delete: deque[str] = deque()

    def step(self) -> Step:
        """What comes next. It may be passed over where it cannot be done now."""
        kind = self._random.choices(self._kinds, self._weights)[0]
        deletes = kind is KeyKind.GONE and bool(self._to_delete) and self._random.random() < 1 / 2
        return Step(kind, deletes)

    def lane(self, step: Step) -> Lane:
        """Deletes are durable, too: one that was not may come back with good reason."""
        waits = self._waits and (step.deletes or step.kind is KeyKind.DURABLE)
        return Lane.DURABLE if waits else Lane.PLAIN

    def operation(self, step: Step, now_ns: int) -> Operation | None:
        """The operation that does it, sent now (Unix time); None where no key is free for it."""
        op = self._next_op
        key = self._key(step, op)
        if key is None:
            return None
        self._next_op += 1
        do = _do(step)
        return Operation(
            op=op,
            do=do,
            key=key,
            value=f"{self._host}/{op}" if do not in (Do.INCR, Do.DEL) else "",
            durable=0,
            sent_ns=now_ns,
            done_ns=0,
            outcome=Outcome.UNKNOWN,
            why=_NOT_YET,
            expires_ms=self._random.randint(_SHORTEST_MS, _LONGEST_MS) if do is Do.EXPIRE else 0,
        )

    def _key(self, step: Step, op: int) -> str | None:
        if step.deletes:
            return self._to_delete.popleft()
        number: int | None = op
        if step.kind in self._pools:
            number = self._pools[step.kind].take(op, wants_last=self._random.random() < _AGAIN)
        elif step.kind is KeyKind.COUNTER:
            number = self._random.choice(self._counters)
        elif step.kind is KeyKind.BOTH:
            number = self._random.choice(self._shared)
        return None if number is None else storm_key(self._host, step.kind, number)

    def settled(self, operation: Operation) -> None:
        """This came of an operation."""
        kind = kind_of(operation.key)
        if kind in self._pools:
            is_certain = operation.outcome is not Outcome.UNKNOWN
            self._pools[kind].give_back(int(operation.key.rpartition(":")[2]), is_certain=is_certain)
        elif kind is KeyKind.GONE and operation.do is Do.SET and operation.is_acknowledged:
            self._to_delete.append(operation.key)


class _Pool:
    """Keys of one kind that may be set again, by their numbers; ``limit`` is how many there may be."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._free: deque[int] = deque()

    def take(self, new: int, *, wants_last: bool) -> int | None:
        """The one that was given back last, or a new one, or the one that has rested for longest; None: all are out."""
        if wants_last and self._free:
            return self._free.pop()
        if self._count < self._limit:
            self._count += 1
            return new
        return self._free.popleft() if self._free else None

    def give_back(self, number: int, *, is_certain: bool) -> None:
        """One of which it is not certain what became of it is never taken again."""
        if is_certain:
            self._free.append(number)
        else:
            self._count -= 1


def _do(step: Step) -> Do:
    if step.deletes:
        return Do.DEL
    return {KeyKind.COUNTER: Do.INCR, KeyKind.BRIEF: Do.EXPIRE, KeyKind.BOTH: Do.SET_BOTH}.get(step.kind, Do.SET)


def command_of(operation: Operation) -> Command:
    """As the server is told."""
    if operation.do is Do.INCR:
        return "INCR", operation.key
    if operation.do is Do.DEL:
        return "DEL", operation.key
    command = ("SET", operation.key, operation.value)
    return (*command, "PX", operation.expires_ms) if operation.do is Do.EXPIRE else command
