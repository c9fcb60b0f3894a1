"""What a writer learns from the listeners' handshakes: round trips, and how far apart the clocks are."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from keydb_observer.messages import Handshake, SharedValue, WokenBy
from keydb_observer.stream import Instant


def clock_offset_ns(handshake: Handshake, seen_ns: int) -> int:
    """How far the listener's clock is ahead of the writer's, if both ways took as long (RFC 5905, section 8, theta).

    ``seen_ns`` is when the handshake was seen (Unix time, the writer's clock). The offset is off by at most half the
    round trip.
    """
    return ((handshake.t2_ns - handshake.t1_ns) + (handshake.t3_ns - seen_ns)) // 2


def round_trip_ns(written: Instant, handshake: Handshake, seen: Instant) -> int:
    """The time from the write to the handshake's arrival, less the time that the listener held it.

    Each of the two is taken on one monotonic clock, so it holds whatever the times of day (RFC 5905, section 8, delta).
    """
    return (seen.monotonic_ns - written.monotonic_ns) - handshake.held_ns


class Answer(msgspec.Struct, frozen=True):
    """A handshake that answers a write of ours, and when it was seen. In ns, None where the write is long forgotten."""

    handshake: Handshake
    seen: Instant
    round_trip_ns: int | None
    offset_ns: int


class Rounds:
    """Remembers when the latest writes of one epoch were made, and matches handshakes with them."""

    REMEMBERED = 10_000

    def __init__(self, writer: str, epoch: int) -> None:
        self._writer = writer
        self._epoch = epoch
        self._written: OrderedDict[int, Instant] = OrderedDict()
        self._answered: dict[bytes, tuple[int, WokenBy]] = {}

    def wrote(self, value: SharedValue, written: Instant) -> None:
        """This value is about to be written."""
        self._written[value.seq] = written
        if len(self._written) > self.REMEMBERED:
            self._written.popitem(last=False)

    def answer(self, key: bytes, handshake: Handshake, seen: Instant) -> Answer | None:
        """What this handshake, found in ``key``, tells; None when it is to another writer, or was seen before."""
        if (handshake.writer, handshake.epoch) != (self._writer, self._epoch):
            return None
        # Two events in quick succession may both find the later handshake.
        if self._answered.get(key) == (handshake.seq, handshake.woken_by):
            return None
        self._answered[key] = (handshake.seq, handshake.woken_by)
        written = self._written.get(handshake.seq)
        return Answer(
            handshake,
            seen,
            None if written is None else round_trip_ns(written, handshake, seen),
            clock_offset_ns(handshake, seen.time_ns),
        )
