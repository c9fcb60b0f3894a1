"""Which keys have had events and are to be read: any number of events of a key are one reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from keydb_observer.messages import WokenBy, keyspace_channel
from keydb_observer.stream import Command, Instant

_CHANNEL_PREFIX = keyspace_channel("").encode()
_CUT = len(_CHANNEL_PREFIX)


class Reading(msgspec.Struct, gc=False):
    """A key and what it held (None: no string). ``read`` is when.

    ``events`` is how many of the key's events came since its last reading, up to exactly this one. ``seen`` is when the
    last of them was seen; it is None when this connection had none, and the key was read upon subscribing.
    """

    key: bytes
    raw: bytes | None
    events: int
    seen: Instant | None
    read: Instant

    @property
    def woken_by(self) -> WokenBy:
        """Why it was read."""
        return WokenBy.EVENT if self.seen else WokenBy.SUBSCRIPTION


class _Waiting:
    """Events that wait for their key to be read."""

    __slots__ = ("events", "seen")

    def __init__(self, events: int, seen: Instant | None) -> None:
        self.events = events
        self.seen = seen


@dataclass(frozen=True)
class Watched:
    """The keys to watch: by name, and by glob-style patterns."""

    keys: tuple[str, ...]
    patterns: tuple[str, ...]

    @classmethod
    def of(cls, given: Iterable[str]) -> Watched:
        """What has one of ``*?[`` in it is a pattern."""
        given = tuple(given)
        return cls(tuple(key for key in given if not is_pattern(key)), tuple(key for key in given if is_pattern(key)))

    @property
    def channels(self) -> tuple[str, ...]:
        """To subscribe to."""
        return tuple(map(keyspace_channel, self.keys))

    @property
    def channel_patterns(self) -> tuple[str, ...]:
        """To subscribe to as patterns."""
        return tuple(map(keyspace_channel, self.patterns))


def is_pattern(key: str) -> bool:
    """Whether this names keys by a pattern."""
    return any(character in key for character in "*?[")


class Inbox:
    """Counts the events of each key until the key has been read. One reading, of some keys, is under way at a time.

    Its memory is bounded by the number of keys, not of events: ``most_keys`` can wait at a time. The events of further
    ones are passed over, and counted.
    """

    def __init__(self, most_keys: int = 100_000, batch: int = 256) -> None:
        self.events = 0
        self.passed_over = 0
        self._most_keys = most_keys
        self._batch = batch
        # By channel: the key is cut out of it once a reading, not once an event.
        self._waiting: dict[bytes, _Waiting] = {}
        self._under_way: tuple[bytes, ...] = ()

    def note(self, channel: bytes, seen: Instant) -> None:
        """An event came."""
        waiting = self._waiting.get(channel)
        if waiting is not None:
            waiting.events += 1
            waiting.seen = seen
        elif len(self._waiting) < self._most_keys:
            self._waiting[channel] = _Waiting(1, seen)
        else:
            self.passed_over += 1
            return
        self.events += 1

    def wake(self, keys: Iterable[bytes]) -> None:
        """These are to be read though no event came."""
        for key in keys:
            self._waiting.setdefault(_CHANNEL_PREFIX + key, _Waiting(0, None))

    def disconnected(self) -> None:
        """What was under way will not come. Events that wait still count, but tell no times of what is read later."""
        self._under_way = ()
        for waiting in self._waiting.values():
            waiting.seen = None

    def next_command(self) -> Command | None:
        """The command that reads the keys that have waited longest; None when there are none, or one is under way."""
        if self._under_way or not self._waiting:
            return None
        self._under_way = tuple(islice(self._waiting, self._batch))
        return ("MGET", *(channel[_CUT:] for channel in self._under_way))

    def take(self, reply: Any) -> list[Reading]:
        """The readings, from the reply to that command, at the moment when it comes. Raises it if it is an error."""
        if isinstance(reply, Exception):
            raise reply
        read = Instant.now()
        readings = []
        for channel, raw in zip(self._under_way, reply, strict=True):
            waiting = self._waiting.pop(channel)
            readings.append(Reading(channel[_CUT:], raw, waiting.events, waiting.seen, read))
        self._under_way = ()
        return readings
