"""What a key is at one node: its type, a digest of its value, and how long it has to live.

``DUMP`` would not do: two nodes may keep equal values in different encodings, and a hash or a set in any order. Values
are read in pieces, so that no single command holds up the server for long.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from redis import exceptions as redis_errors

from keydb_observer.duration import NS_PER_MILLISECOND
from keydb_observer.stream import Command, or_raise
from keydb_observer.trouble import is_wrong_type
from keydb_observer.wire import AsyncLink

_PIECE_BYTES = 1 << 16
_PIECE_ITEMS = 1000
_DIGEST_BYTES = 16
# Two nodes are asked at slightly different moments, and a replicated EXPIRE counts from when it arrives.
_TOLERANCE_MS = 1000


@dataclass(frozen=True)
class State:
    """``kind`` is the type as the server names it, "none" where there is no such key.

    ``deadline_ms`` is when the key expires, by this host's monotonic clock; None: never.
    """

    kind: str
    digest: bytes = b""
    deadline_ms: int | None = None

    def differs(self, other: State) -> str:
        """In what: "presence", "type", "value", "expiry", or "" where nodes in these states are equal."""
        if self.kind != other.kind:
            return "presence" if "none" in (self.kind, other.kind) else "type"
        if self.digest != other.digest:
            return "value"
        if (self.deadline_ms is None) != (other.deadline_ms is None):
            return "expiry"
        if self.deadline_ms is not None and other.deadline_ms is not None:
            return "expiry" if abs(self.deadline_ms - other.deadline_ms) > _TOLERANCE_MS else ""
        return ""


ABSENT = State("none")


async def states_at(link: AsyncLink, keys: Sequence[bytes]) -> list[State | None]:
    """What each key is, in their order; None for one that changed while it was read.

    Raises redis-py's errors and OSError.
    """
    answers = [
        or_raise(reply) for reply in await link.ask_all(c for key in keys for c in (("TYPE", key), ("PTTL", key)))
    ]
    now_ms = time.monotonic_ns() // NS_PER_MILLISECOND
    kinds = [kind.decode() for kind in answers[::2]]
    deadlines = [now_ms + left if left >= 0 else None for left in answers[1::2]]
    readings = [_reading(kind, key) for kind, key in zip(kinds, keys, strict=True)]
    await _read(link, [reading for reading in readings if reading])
    return [_state(kind, reading, deadline) for kind, reading, deadline in zip(kinds, readings, deadlines, strict=True)]


async def _read(link: AsyncLink, readings: list[_Reading]) -> None:
    """One piece of each value in each round trip, until all are complete."""
    while readings:
        for reading, reply in zip(readings, await link.ask_all([r.next_command() for r in readings]), strict=True):
            if isinstance(reply, redis_errors.ResponseError) and is_wrong_type(reply):
                reading.is_broken = reading.is_done = True
            else:
                reading.take(or_raise(reply))
        readings = [reading for reading in readings if not reading.is_done]


def _state(kind: str, reading: _Reading | None, deadline_ms: int | None) -> State | None:
    if reading is None:
        return ABSENT
    # Gone since it was asked for: there are no empty lists, hashes and sets.
    if reading.is_broken or reading.is_empty:
        return None
    return State(kind, reading.digest(), deadline_ms)


class _Reading(Protocol):
    is_done: bool
    is_broken: bool

    @property
    def is_empty(self) -> bool: ...

    def next_command(self) -> Command: ...

    def take(self, reply: Any) -> None: ...

    def digest(self) -> bytes: ...


@dataclass
class _Ordered:
    """A value whose parts have an order; ``count`` is of bytes or items read so far."""

    key: bytes
    count: int = 0
    is_done: bool = False
    is_broken: bool = False
    _hash: Any = field(default_factory=lambda: blake2b(digest_size=_DIGEST_BYTES))

    @property
    def is_empty(self) -> bool:
        return not self.count

    def digest(self) -> bytes:
        return bytes(self._hash.digest())


class _String(_Ordered):
    # GETRANGE cannot tell an empty string from none.
    @property
    def is_empty(self) -> bool:
        return False

    def next_command(self) -> Command:
        return "GETRANGE", self.key, self.count, self.count + _PIECE_BYTES - 1

    def take(self, reply: bytes) -> None:
        self._hash.update(reply)
        self.count += len(reply)
        self.is_done = len(reply) < _PIECE_BYTES


class _List(_Ordered):
    def next_command(self) -> Command:
        return "LRANGE", self.key, self.count, self.count + _PIECE_ITEMS - 1

    def take(self, reply: list[bytes]) -> None:
        for item in reply:
            self._hash.update(_framed(item))
        self.count += len(reply)
        self.is_done = len(reply) < _PIECE_ITEMS


@dataclass
class _Stream(_Ordered):
    _last: bytes = b""

    def next_command(self) -> Command:
        return "XRANGE", self.key, b"(" + self._last if self._last else "-", "+", "COUNT", _PIECE_ITEMS

    # A stream may be there without entries.
    @property
    def is_empty(self) -> bool:
        return False

    def take(self, reply: list[tuple[bytes, list[bytes]]]) -> None:
        for name, fields in reply:
            self._hash.update(_framed(name, *fields))
            self._last = name
        self.count += len(reply)
        self.is_done = len(reply) < _PIECE_ITEMS


class _Dumped(_Ordered):
    """A type of a module's: all that can be said is whether the bytes are the same."""

    def next_command(self) -> Command:
        return "DUMP", self.key

    def take(self, reply: bytes | None) -> None:
        self._hash.update(reply or b"")
        self.count = len(reply or b"")
        self.is_done = True


@dataclass
class _Unordered:
    """A collection without an order. A scan may give a member twice, so members are kept, by their digests."""

    key: bytes
    command: str
    width: int
    is_done: bool = False
    is_broken: bool = False
    _cursor: bytes | int = 0
    _members: set[bytes] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        return not self._members

    def next_command(self) -> Command:
        return self.command, self.key, self._cursor, "COUNT", _PIECE_ITEMS

    def take(self, reply: tuple[bytes, list[bytes]]) -> None:
        self._cursor, items = reply
        for start in range(0, len(items), self.width):
            member = _framed(*items[start : start + self.width])
            self._members.add(blake2b(member, digest_size=_DIGEST_BYTES).digest())
        self.is_done = int(self._cursor) == 0

    def digest(self) -> bytes:
        return blake2b(b"".join(sorted(self._members)), digest_size=_DIGEST_BYTES).digest()


_SCANS = {"hash": ("HSCAN", 2), "set": ("SSCAN", 1), "zset": ("ZSCAN", 2)}
_ORDERED: dict[str, type[_String | _List | _Stream]] = {"string": _String, "list": _List, "stream": _Stream}


def _reading(kind: str, key: bytes) -> _Reading | None:
    if kind == "none":
        return None
    if kind in _SCANS:
        return _Unordered(key, *_SCANS[kind])
    return _ORDERED.get(kind, _Dumped)(key)


def _framed(*parts: bytes) -> bytes:
    """So that no two different lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
