"""What a listener thinks, without any input or output of its own: the blocking and the asyncio listener share it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keydb_observer.changes import Change
from keydb_observer.clock import combined
from keydb_observer.figures import Figures
from keydb_observer.histogram import Histogram
from keydb_observer.inbox import Inbox, Reading, Watched
from keydb_observer.ledger import Ledger
from keydb_observer.lines import ListenerLines
from keydb_observer.messages import Counts, Handshake, MalformedError, Mode, SharedValue, handshake_key, report_key
from keydb_observer.pace import Pace, Switch
from keydb_observer.recorder import distribution_of
from keydb_observer.settings import Settings
from keydb_observer.stream import Argument, Command, Instant
from keydb_observer.trouble import SlowConsumerError, Trouble, TroubleLog

MOST_KEYS = 100_000
_SECOND, _MINUTE = 1.0, 60.0
# Nothing else tells a listener that has nothing to say from a dead one.
_REPORT_AT_LEAST_EVERY = 5.0


class _Key:
    """What a listener remembers of a key."""

    __slots__ = ("answer_key", "ledger", "text", "trouble")

    def __init__(self, text: str, answer_key: str, ledger: Ledger) -> None:
        self.text = text
        self.answer_key = answer_key
        self.ledger = ledger
        self.trouble: TroubleLog | None = None


@dataclass
class _Second:
    """What the running second began with, and its time differences."""

    began: float
    counts: Counts
    differences: Histogram = field(default_factory=Histogram)


@dataclass
class _Resync:
    """The keys that are still to be read again after a reconnection, and what was known before it."""

    keys: set[bytes]
    count: int
    blind_s: float
    missed: int
    superseded: int


class Listener:
    """Judges every value that is read, says what it is, keeps the figures, and words the answers."""

    def __init__(
        self,
        mode: Mode,
        settings: Settings,
        logger: logging.Logger,
        clock_error: Callable[[], int | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = mode.listener
        self.watched = Watched.of(settings.keys)
        self.inbox = Inbox(MOST_KEYS)
        self.figures = Figures(mode, settings.name, clock_error)
        self._host = settings.name
        self._mode = mode
        self._logger = logger
        self._lines = ListenerLines(logger, self.name)
        self._monotonic = monotonic
        self._keys: OrderedDict[bytes, _Key] = OrderedDict()
        self._has_one_key = len(settings.keys) == 1 and not self.watched.patterns
        self._lines_up_to = settings.lines_up_to
        self._pace = Pace(settings.lines_up_to, monotonic)
        self._second = _Second(monotonic(), Counts())
        self._minute_due = monotonic() + _MINUTE
        self._reported_at, self._reported = float("-inf"), -1
        self._heard_at: float | None = None
        self._resync: _Resync | None = None

    def connected(self, node: str, *, is_home: bool) -> None:
        """A connection to this node has subscribed. Everything that is known is to be read from there."""
        figures = self.figures
        figures.node, figures.is_home = node, is_home
        self.inbox.disconnected()
        self.inbox.wake([*(key.encode() for key in self.watched.keys), *self._keys])
        if self._heard_at is not None:
            blind_s = self._monotonic() - self._heard_at
            figures.reconnects += 1
            figures.blind_s += blind_s
            counts = figures.counts
            self._resync = _Resync(set(self._keys), len(self._keys), blind_s, counts.missed, counts.superseded)
            self._heard_at = None

    def disconnected(self, error: Exception | None, heard_at: float) -> None:
        """The connection is gone, or given up for another one; ``heard_at`` is when it was last known to live.

        That is a time on the monotonic clock, in seconds.
        """
        self.figures.node, self.figures.is_home = "", False
        self.figures.slow_consumer_disconnects += isinstance(error, SlowConsumerError)
        # A connection that broke before everything was read again does not end the blindness.
        if self._heard_at is None:
            self._heard_at = heard_at
        self.inbox.disconnected()

    def take(self, reply: Any) -> list[Change]:
        """Takes in the reply to the inbox's command, at the moment when it comes. Raises it if it is an error."""
        own_error_ns = self.figures.clock_error()
        changes = [self._judge(reading, own_error_ns) for reading in self.inbox.take(reply)]
        self.figures.counts.events = self.inbox.events
        self.figures.events_passed_over = self.inbox.passed_over
        self._pace.note(len(changes))
        if not self._pace.is_summing:
            for change in changes:
                self._lines.change(change)
        if self._resync:
            self._resync_with(self._resync, changes)
        return changes

    def answers_to(self, changes: list[Change]) -> Command | None:
        """One command that writes a handshake for every write that was not known before; None when there is none."""
        sent = Instant.now()
        command: list[Argument] = ["MSET"]
        for change in changes:
            value = change.value
            if value is None or not change.is_news:
                continue
            seen = change.seen or change.read
            command += (
                self._keys[change.name].answer_key,
                Handshake(
                    self.name,
                    self._host,
                    change.key,
                    value.writer,
                    value.epoch,
                    value.seq,
                    value.t1_ns,
                    seen.time_ns,
                    sent.time_ns,
                    sent.monotonic_ns - seen.monotonic_ns,
                    change.woken_by,
                ).encode(),
            )
        return tuple(command) if len(command) > 1 else None

    def answered(self, reply: object, changes: int) -> None:
        """What came of an answer to this many changes: the server's reply, or an error."""
        if isinstance(reply, Exception):
            self.figures.answers_failed += changes
        else:
            self.figures.answers += changes

    def tick(self) -> Command | None:
        """To be called about once a second: says what is due. Returns the command that publishes the figures."""
        now = self._monotonic()
        if now - self._second.began >= _SECOND:
            self._sum_up_second(now)
        if now >= self._minute_due:
            self._minute_due = now + _MINUTE
            self._lines.minute(self.figures.counts, self.figures.differences.minute(), self.figures.differences.run())
        counts = self.figures.counts
        known = counts.events + counts.written
        if now - self._reported_at < (_SECOND if known != self._reported else _REPORT_AT_LEAST_EVERY):
            return None
        self._reported_at, self._reported = now, known
        return ("SET", report_key(self._host, self._mode), self.figures.report().encode())

    def stopped(self) -> None:
        """Says the sum of it at the end."""
        self._lines.stopped(self.figures.counts)

    def _judge(self, reading: Reading, own_error_ns: int | None) -> Change:
        key = self._known(reading.key)
        if reading.raw is None:
            return self._unreadable(reading, key, "absent", "there is no such key, or it holds no string; waiting")
        try:
            value = SharedValue.parse(reading.raw)
        except MalformedError as malformed:
            self.figures.counts.foreign += 1
            return self._unreadable(
                reading, key, "foreign value", f"it holds a foreign value ({malformed}); passing over it"
            )
        if key.trouble:
            key.trouble.well()
            key.trouble = None
        entry = key.ledger.enter(value, reading.events, has_own=reading.seen is not None)
        if entry.sighting.is_news:
            if reading.seen is None:
                self.figures.counts.found += 1
            else:
                difference_ns = reading.seen.time_ns - value.t1_ns
                self._second.differences.record(difference_ns)
                self.figures.differences.record(difference_ns)
                self.figures.value_differences.record(reading.read.time_ns - value.t1_ns)
        error_ns = combined(value.error_ns, own_error_ns)
        return Change(reading.key, key.text, reading.raw, value, entry, None, reading.seen, reading.read, error_ns)

    def _unreadable(self, reading: Reading, key: _Key, kind: str, text: str) -> Change:
        key.ledger.unreadable(reading.events)
        if key.trouble is None:
            key.trouble = TroubleLog(self._logger, f"{self.name}: {key.text}", relief="a value again")
        key.trouble.failed(Trouble(kind, text))
        return Change(reading.key, key.text, reading.raw, None, None, text, reading.seen, reading.read, None)

    def _known(self, name: bytes) -> _Key:
        key = self._keys.get(name)
        if key is not None:
            self._keys.move_to_end(name)
            return key
        text = name.decode(errors="backslashreplace")
        if not text.isprintable():
            text = text.encode("unicode_escape").decode()
        answer_key = handshake_key(self._host, self._mode, None if self._has_one_key else text)
        key = self._keys[name] = _Key(text, answer_key, Ledger(self.figures.counts))
        if len(self._keys) > MOST_KEYS:
            # Forgotten: its next value will be a first one.
            self._keys.popitem(last=False)
        return key

    def _resync_with(self, resync: _Resync, changes: Iterable[Change]) -> None:
        resync.keys.difference_update(change.name for change in changes)
        if resync.keys:
            return
        self._resync = None
        figures = self.figures
        figures.resyncs += 1
        missed, superseded = figures.counts.missed - resync.missed, figures.counts.superseded - resync.superseded
        self._lines.resynced(figures.node, resync.count, resync.blind_s, missed, superseded)

    def _sum_up_second(self, now: float) -> None:
        counts = self.figures.counts
        second, self._second = self._second, _Second(now, msgspec.structs.replace(counts))
        was_summing = self._pace.is_summing
        switch = self._pace.tick()
        if switch is Switch.TO_SUMMARIES:
            self._lines.switched(to_summaries=True, lines_per_s=self._lines_up_to)
        if was_summing:
            names = Counts.__struct_fields__
            since = Counts(*(getattr(counts, name) - getattr(second.counts, name) for name in names))
            self._lines.second(since, len(self._keys), now - second.began, distribution_of(second.differences))
        if switch is Switch.TO_LINES:
            self._lines.switched(to_summaries=False, lines_per_s=self._lines_up_to)
