"""Rates as differences of counters: a server's between two looks at it, an observer's between two of its messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.messages import Report, SharedValue
from keydb_observer.status import Answer

_SILENT_AFTER = 3
"""Times the usual distance between two messages, after which a rate is what the silence says."""


@dataclass(frozen=True)
class NodeRates:
    """Of one server, each per second: commands (less those of the look itself), and bytes in and out."""

    commands: float
    input_bytes: float
    output_bytes: float


def node_rates(before: Answer, after: Answer, elapsed_ns: int) -> NodeRates | None:
    """Between two looks that are ``elapsed_ns`` apart; None where the server was started in between."""
    first, second = before.counters, after.counters
    if first is None or second is None or first.run != second.run or elapsed_ns <= 0:
        return None
    seconds = elapsed_ns / NS_PER_SECOND
    return NodeRates(
        # What a look asks after INFO is counted by the next one. A counter that was reset starts from nothing.
        commands=max(second.commands - first.commands - before.asked, 0) / seconds,
        input_bytes=max(second.input_bytes - first.input_bytes, 0) / seconds,
        output_bytes=max(second.output_bytes - first.output_bytes, 0) / seconds,
    )


@dataclass
class Pace:
    """How fast a counter grows that arrives with the time of its message, however seldom messages come."""

    _count: int | None = None
    _sent_ns: int = 0
    _era: object = None
    _apart_ns: int = 0
    _rate: float | None = None
    _heard_ns: int = 0

    def take(self, count: int, sent_ns: int, era: object, now_ns: int) -> None:
        """Another ``era``, or a counter that falls, is a new start. ``now_ns`` is the clock of whoever watches."""
        if self._count is None or era != self._era or count < self._count:
            self._count, self._sent_ns, self._era, self._rate, self._heard_ns = count, sent_ns, era, None, now_ns
            return
        if sent_ns <= self._sent_ns:
            return
        self._apart_ns = sent_ns - self._sent_ns
        self._rate = (count - self._count) * NS_PER_SECOND / self._apart_ns
        self._count, self._sent_ns, self._heard_ns = count, sent_ns, now_ns

    def rate(self, now_ns: int) -> float | None:
        """Per second, between the last two messages; 0 once there should have been another, None before the second."""
        if self._rate is not None and now_ns - self._heard_ns > _SILENT_AFTER * max(self._apart_ns, NS_PER_SECOND):
            return 0.0
        return self._rate


@dataclass
class ObserverPaces:
    """How fast the writer writes, and how fast each listener (by host and name) counts events. Per second."""

    _writer: Pace = field(default_factory=Pace)
    _listeners: dict[tuple[str, str], Pace] = field(default_factory=dict)

    def take_value(self, value: SharedValue, now_ns: int) -> None:
        """The newest value of the observed key."""
        self._writer.take(value.seq, value.t1_ns, (value.writer, value.epoch), now_ns)

    def take_report(self, report: Report, now_ns: int) -> None:
        """The newest report of a listener."""
        pace = self._listeners.setdefault((report.host, report.listener), Pace())
        pace.take(report.counts.events, report.sent_ns, None, now_ns)

    def writes(self, now_ns: int) -> float | None:
        """Of the writer."""
        return self._writer.rate(now_ns)

    def events(self, host: str, listener: str, now_ns: int) -> float | None:
        """Of this listener."""
        pace = self._listeners.get((host, listener))
        return pace.rate(now_ns) if pace else None
