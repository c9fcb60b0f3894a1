"""What became of one writer's writes: each that was sent is acknowledged, failed or unknown in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from keydb_observer.histogram import Histogram


@dataclass
class Tally:
    """``failed`` counts error replies by kind of trouble, ``unknown`` writes whose reply never came.

    Of those acknowledged, as many replicas as was asked for confirmed the ``durable`` ones in time. ``ack`` and
    ``durable_ack`` hold the time from when a write was to be sent to its reply and to that confirmation, ``send_lag``
    the time to when it was sent. ``held_back_ns`` is how long something was due while the server took no more, and
    ``disconnected_ns`` how long there was no connection. ``last_sent_ns`` and ``last_reply_ns`` are Unix time,
    0 if never.
    """

    sent: int = 0
    acknowledged: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    durable: int = 0
    reconnects: int = 0
    held_back_ns: int = 0
    disconnected_ns: int = 0
    last_sent_ns: int = 0
    last_reply_ns: int = 0
    ack: Histogram = field(default_factory=Histogram)
    durable_ack: Histogram = field(default_factory=Histogram)
    send_lag: Histogram = field(default_factory=Histogram)

    @property
    def settled(self) -> int:
        """Writes of which it is known what became of them, or that it never will be."""
        return self.acknowledged + sum(self.failed.values()) + self.unknown

    @property
    def not_durable(self) -> int:
        """Acknowledged, but not known to be confirmed by enough replicas."""
        return self.acknowledged - self.durable

    def note_sent(self, dues_ns: Iterable[int], now_ns: int) -> None:
        """These were sent just now."""
        record = self.send_lag.record
        count = 0
        for due_ns in dues_ns:
            record(now_ns - due_ns)
            count += 1
        self.sent += count
        self.last_sent_ns = now_ns

    def note_acknowledged(self, dues_ns: Iterable[int], now_ns: int) -> None:
        """The server's OK to these came just now."""
        record = self.ack.record
        count = 0
        for due_ns in dues_ns:
            record(now_ns - due_ns)
            count += 1
        self.acknowledged += count
        self.last_reply_ns = now_ns

    def note_failed(self, kind: str, now_ns: int) -> None:
        """The server answered with an error."""
        self.failed[kind] += 1
        self.last_reply_ns = now_ns

    def note_durable(self, due_ns: int, now_ns: int) -> None:
        """Enough replicas have one that was acknowledged."""
        self.durable_ack.record(now_ns - due_ns)
        self.durable += 1
        self.last_reply_ns = now_ns

    def add(self, other: Tally) -> None:
        """Takes another writer's in."""
        self.sent += other.sent
        self.acknowledged += other.acknowledged
        self.failed.update(other.failed)
        self.unknown += other.unknown
        self.durable += other.durable
        self.reconnects += other.reconnects
        self.held_back_ns += other.held_back_ns
        self.disconnected_ns += other.disconnected_ns
        self.last_sent_ns = max(self.last_sent_ns, other.last_sent_ns)
        self.last_reply_ns = max(self.last_reply_ns, other.last_reply_ns)
        self.ack.add(other.ack)
        self.durable_ack.add(other.durable_ack)
        self.send_lag.add(other.send_lag)
