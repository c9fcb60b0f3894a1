"""What a listener thinks, without any input or output of its own: the blocking and the asyncio listener share it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from keydb_observer.duration import seconds_text, timestamp_text
from keydb_observer.journal import fields
from keydb_observer.latency import LatencyWindow
from keydb_observer.messages import (
    Handshake,
    ListenerStats,
    MalformedError,
    Mode,
    SharedValue,
    WokenBy,
    handshake_key,
    keyspace_channel,
)
from keydb_observer.sequence import Observation, SequenceTracker, Sighting
from keydb_observer.settings import Settings
from keydb_observer.trouble import Trouble, TroubleLog


class Listener:
    """Judges every value that is read, says what it is, keeps the figures, and words the handshake."""

    def __init__(
        self, mode: Mode, settings: Settings, logger: logging.Logger, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.name = mode.listener
        self.channel = keyspace_channel(settings.key)
        self.handshake_key = handshake_key(settings.name, mode)
        self._key = settings.key
        self._host = settings.name
        self._logger = logger
        self._now_ns = now_ns
        self._sequence = SequenceTracker()
        self._latency = LatencyWindow()
        self._value_trouble = TroubleLog(logger, f"{self.name}: {settings.key}", relief="a value again")

    def react(self, raw: bytes | str | None, woken_by: WokenBy, seen_ns: int) -> Handshake | None:
        """Takes in what the key holds (None: it is absent), and returns the answer to send, if any.

        ``seen_ns`` is when the event was seen, or when the key was read upon subscribing (Unix time in ns).
        """
        if raw is None:
            self._value_trouble.failed(Trouble("absent", "there is no such key; waiting for a write"))
            return None
        try:
            value = SharedValue.parse(raw)
        except MalformedError as malformed:
            self.found_foreign(str(malformed))
            return None
        self._value_trouble.well()
        observation = self._sequence.observe(value)
        self._say_what_was_missed(value, observation)
        if woken_by is WokenBy.EVENT and observation.sighting.is_news:
            self._latency.add(seen_ns - value.t1_ns)
            self._say_read(value, observation, seen_ns)
        elif observation.sighting is Sighting.LATE:
            self._say(value, f"read {self._key} late: seq {value.seq} after a later write", seen_ns)
            return None
        elif woken_by is WokenBy.EVENT:
            self._say(value, f"read {self._key} again: seq {value.seq}", seen_ns)
            return None
        else:
            self._say_found(value, seen_ns)
        return self._handshake(value, woken_by, seen_ns)

    def found_foreign(self, reason: str) -> None:
        """The key holds something that no writer of this program wrote."""
        self._value_trouble.failed(Trouble("foreign value", f"it holds a foreign value ({reason}); passing over it"))

    def stopped(self) -> None:
        """Says the sum of it at the end."""
        summary = self._latency.summary()
        self._logger.info("%s stops: %d read, %d missed", self.name, summary.count, self._sequence.missed)

    def _handshake(self, value: SharedValue, woken_by: WokenBy, seen_ns: int) -> Handshake:
        summary = self._latency.summary()
        return Handshake(
            listener=self.name,
            host=self._host,
            writer=value.writer,
            epoch=value.epoch,
            seq=value.seq,
            t1_ns=value.t1_ns,
            t2_ns=seen_ns,
            woken_by=woken_by,
            stats=ListenerStats(summary.count, self._sequence.missed, summary.p50_ns, summary.p99_ns, summary.max_ns),
            t3_ns=self._now_ns(),
        )

    def _say_read(self, value: SharedValue, observation: Observation, seen_ns: int) -> None:
        difference_ns = seen_ns - value.t1_ns
        self._logger.info(
            "%s read %s: writer timestamp %s seq %d, Time difference: %s seconds",
            self.name,
            self._key,
            timestamp_text(value.t1_ns),
            value.seq,
            seconds_text(difference_ns),
            extra=self._fields(value, seen_ns, difference_ns=difference_ns, missed=observation.missed),
        )

    def _say_found(self, value: SharedValue, seen_ns: int) -> None:
        self._logger.info(
            "%s found on subscribing %s: writer timestamp %s seq %d, written %s seconds before",
            self.name,
            self._key,
            timestamp_text(value.t1_ns),
            value.seq,
            seconds_text(seen_ns - value.t1_ns),
            extra=self._fields(value, seen_ns),
        )

    def _say_what_was_missed(self, value: SharedValue, observation: Observation) -> None:
        if observation.sighting is Sighting.NEW_EPOCH:
            who = f"writer {value.writer} epoch {value.epoch}"
            self._say(value, f"follows a new epoch of {self._key}: {who}, from seq {value.seq} on")
        if observation.missed:
            first, last = value.seq - observation.missed, value.seq - 1
            self._logger.warning(
                "%s missed %d of %s: seq %d to %d",
                self.name,
                observation.missed,
                self._key,
                first,
                last,
                extra=self._fields(value, missed=observation.missed, missed_total=self._sequence.missed),
            )

    def _say(self, value: SharedValue, text: str, seen_ns: int | None = None) -> None:
        self._logger.info("%s %s", self.name, text, extra=self._fields(value, seen_ns))

    def _fields(
        self,
        value: SharedValue,
        seen_ns: int | None = None,
        *,
        difference_ns: int | None = None,
        missed: int | None = None,
        missed_total: int | None = None,
    ) -> dict[str, object]:
        return fields(
            listener=self.name,
            key=self._key,
            writer=value.writer,
            epoch=value.epoch,
            seq=value.seq,
            t1_ns=value.t1_ns,
            t2_ns=seen_ns,
            difference_ns=difference_ns,
            missed=missed,
            missed_total=missed_total,
        )
