"""A writer's lines: text for people, and the same facts as journald fields."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from keydb_observer.duration import distribution_text, error_text, seconds_text, timestamp_text
from keydb_observer.handshakes import Answer
from keydb_observer.histogram import Histogram
from keydb_observer.journal import fields
from keydb_observer.messages import SharedValue, WokenBy
from keydb_observer.pace import Pace, Switch
from keydb_observer.recorder import Recorder, distribution_of

_SECOND, _MINUTE = 1.0, 60.0


class WriterLines:
    """A line for each write and each answer, or one a second for all of them where there are too many.

    ``lines_up_to`` is in events/s. ``round_trips`` are those of the whole run, which are said once a minute.
    """

    def __init__(
        self,
        logger: logging.Logger,
        name: str,
        lines_up_to: float,
        round_trips: Recorder,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._name = name
        self._lines_up_to = lines_up_to
        self._round_trips = round_trips
        self._monotonic = monotonic
        self._pace = Pace(lines_up_to, monotonic)
        self._begin_second(monotonic())
        self._minute_due = monotonic() + _MINUTE

    def _begin_second(self, now: float) -> None:
        self._second_began = now
        self._writes = self._answers = 0
        self._second = Histogram()

    def wrote(self, key: str, value: SharedValue) -> None:
        """A write was acknowledged."""
        self._writes += 1
        self._pace.note(1)
        if self._pace.is_summing:
            return
        self._logger.info(
            "%s wrote %s: timestamp %s seq %d",
            self._name,
            key,
            timestamp_text(value.t1_ns),
            value.seq,
            extra=fields(
                key=key,
                writer=value.writer,
                epoch=value.epoch,
                seq=value.seq,
                t1_ns=value.t1_ns,
                clock_error_ns="unknown" if value.error_ns is None else value.error_ns,
            ),
        )

    def found(self, answer: Answer) -> None:
        """A listener has subscribed, and found a write of ours."""
        handshake = answer.handshake
        self._logger.info(
            "%s saw %s on %s subscribe, and find seq %d",
            self._name,
            handshake.listener,
            handshake.host,
            handshake.seq,
            extra=fields(**_facts(answer)),
        )

    def answered(self, answer: Answer, round_trip_ns: int, error_ns: int | None) -> None:
        """A listener's answer to a write came back. ``error_ns`` is of this host's clock (None: unknown)."""
        self._answers += 1
        self._second.record(round_trip_ns)
        self._pace.note(1)
        if self._pace.is_summing:
            return
        handshake = answer.handshake
        self._logger.info(
            "%s saw %s on %s answer seq %d: round trip %s seconds, clock offset %s seconds, clock error %s",
            self._name,
            handshake.listener,
            handshake.host,
            handshake.seq,
            seconds_text(round_trip_ns),
            seconds_text(answer.offset_ns),
            error_text(error_ns),
            extra=fields(
                **_facts(answer),
                held_ns=handshake.held_ns,
                round_trip_ns=round_trip_ns,
                offset_ns=answer.offset_ns,
                clock_error_ns="unknown" if error_ns is None else error_ns,
            ),
        )

    def tick(self) -> None:
        """To be called about once a second: says what is due."""
        now = self._monotonic()
        if now - self._second_began >= _SECOND:
            self._sum_up_second(now)
        if now >= self._minute_due:
            self._minute_due = now + _MINUTE
            minute, run = self._round_trips.minute(), self._round_trips.run()
            self._logger.info(
                "%s last minute: %d round trips, %s; whole run: %d round trips, %s",
                self._name,
                minute.count,
                distribution_text(minute),
                run.count,
                distribution_text(run),
                extra=fields(**{name: getattr(run, name) for name in run.__struct_fields__}),
            )

    def _sum_up_second(self, now: float) -> None:
        was_summing = self._pace.is_summing
        switch = self._pace.tick()
        if switch is Switch.TO_SUMMARIES:
            self._logger.info(
                "%s: more than %g writes and answers per second: one line a second from here on",
                self._name,
                self._lines_up_to,
            )
        if was_summing:
            self._logger.info(
                "%s in %.1f seconds: %d writes, %d answers; round trip %s",
                self._name,
                now - self._second_began,
                self._writes,
                self._answers,
                distribution_text(distribution_of(self._second)),
                extra=fields(writes=self._writes, answers=self._answers),
            )
        if switch is Switch.TO_LINES:
            self._logger.info(
                "%s: less than half of %g writes and answers per second: a line for each again",
                self._name,
                self._lines_up_to,
            )
        self._begin_second(now)


def _facts(answer: Answer) -> dict[str, object]:
    handshake = answer.handshake
    if handshake.woken_by is WokenBy.SUBSCRIPTION:
        return {"listener": handshake.listener, "host": handshake.host, "epoch": handshake.epoch, "seq": handshake.seq}
    return {
        "listener": handshake.listener,
        "host": handshake.host,
        "epoch": handshake.epoch,
        "seq": handshake.seq,
        "t1_ns": handshake.t1_ns,
        "t2_ns": handshake.t2_ns,
        "t3_ns": handshake.t3_ns,
        "t4_ns": answer.seen.time_ns,
    }
