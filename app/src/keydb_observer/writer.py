"""The writer: sets the shared key at a steady pace, and watches the listeners' handshakes come back."""

from __future__ import annotations

import asyncio
import logging
import time

import redis.asyncio

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.duration import seconds_text, timestamp_text
from keydb_observer.journal import fields
from keydb_observer.messages import HANDSHAKE_PREFIX, Handshake, MalformedError, SharedValue, WokenBy, keyspace_channel
from keydb_observer.settings import Settings
from keydb_observer.subscription import AsyncSubscription
from keydb_observer.trouble import Backoff, TroubleLog, diagnose, is_refusal, is_wrong_type


def round_trip_ns(handshake: Handshake, seen_ns: int) -> int:
    """The time from the write to the handshake's arrival, less the time that the listener held it.

    Both differences are taken on one clock each, so it holds whatever the clocks' offset (RFC 5905, section 8, delta).
    """
    return (seen_ns - handshake.t1_ns) - (handshake.t3_ns - handshake.t2_ns)


def clock_offset_ns(handshake: Handshake, seen_ns: int) -> int:
    """How far the listener's clock is ahead of the writer's, if both ways took as long (RFC 5905, section 8, theta).

    It is off by at most half the round trip.
    """
    return ((handshake.t2_ns - handshake.t1_ns) + (handshake.t3_ns - seen_ns)) // 2


class Writer:
    """Two tasks that do not wait for each other: one writes, one watches the handshakes."""

    NAME = "writer"

    def __init__(self, settings: Settings, logger: logging.Logger) -> None:
        self._settings = settings
        self._logger = logger
        self._epoch = time.time_ns()
        self._seq = 0
        self._answered: dict[str, tuple[int, WokenBy]] = {}
        self._reader = async_client(settings.read_node, settings)
        self._writer = async_client(settings.write_node, settings)

    async def run(self) -> None:
        """Never returns by itself: whatever happens to a node, this says so and tries again."""
        try:
            await asyncio.gather(self._write_forever(), self._watch_forever())
        finally:
            self._logger.info("%s stops after seq %d", self.NAME, self._seq)
            for client in (self._reader, self._writer):
                await drop_connections(client)

    async def _write_forever(self) -> None:
        trouble = TroubleLog(self._logger, f"{self.NAME}: writing to {self._settings.write_node}")
        backoff = Backoff()
        has_said_what_it_follows = False
        due = time.monotonic()
        while True:
            try:
                if not has_said_what_it_follows:
                    self._logger.info(
                        "%s starts epoch %d on %s every %g seconds, %s",
                        self.NAME,
                        self._epoch,
                        self._settings.key,
                        self._settings.interval,
                        await self._what_it_follows(),
                        extra=fields(key=self._settings.key, epoch=self._epoch),
                    )
                    has_said_what_it_follows = True
                value = await self._write()
            except Exception as error:  # an observer outlives whatever it observes
                trouble.failed(diagnose(error))
                await drop_connections(self._writer)
                await asyncio.sleep(backoff.failed())
                continue
            trouble.well()
            backoff.succeeded()
            self._say_written(value)
            # The pace is kept from write to write; what an outage held up is not made up for.
            now = time.monotonic()
            due += self._settings.interval
            if due <= now:
                due = now + self._settings.interval
            await asyncio.sleep(due - now)

    async def _what_it_follows(self) -> str:
        try:
            raw = await self._writer.get(self._settings.key)
            if raw is None:
                return "where nothing was"
            value = SharedValue.parse(raw)
        except MalformedError as malformed:
            return f"over a foreign value ({malformed})"
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            return "over a foreign value (it is not a string)"
        age = seconds_text(time.time_ns() - value.t1_ns)
        return f"after seq {value.seq} of writer {value.writer} epoch {value.epoch}, written {age} seconds before"

    async def _write(self) -> SharedValue:
        # Connecting, TLS and a server that is still loading are dealt with here, outside of what is measured.
        await self._writer.ping()
        value = SharedValue(self._settings.name, self._epoch, self._seq + 1, time.time_ns())
        try:
            await self._writer.set(self._settings.key, value.encode())
        except Exception as error:
            if not is_refusal(error):
                # The connection broke after the command was sent. It may have been carried out, so its number is used.
                self._seq = value.seq
                self._logger.warning(
                    "%s cannot tell whether %s seq %d was written", self.NAME, self._settings.key, value.seq
                )
            raise
        self._seq = value.seq
        return value

    def _say_written(self, value: SharedValue) -> None:
        self._logger.info(
            "%s wrote %s: timestamp %s seq %d",
            self.NAME,
            self._settings.key,
            timestamp_text(value.t1_ns),
            value.seq,
            extra=fields(
                key=self._settings.key, writer=value.writer, epoch=value.epoch, seq=value.seq, t1_ns=value.t1_ns
            ),
        )

    async def _watch_forever(self) -> None:
        trouble = TroubleLog(self._logger, f"{self.NAME}: watching handshakes at {self._settings.read_node}")
        backoff = Backoff()
        prefix = keyspace_channel(HANDSHAKE_PREFIX)
        while True:
            try:
                async with AsyncSubscription(
                    self._reader, f"{prefix}*", self._settings.timeout, is_pattern=True
                ) as subscription:
                    while True:
                        trouble.well()
                        backoff.succeeded()
                        event = await subscription.next_event()
                        key = HANDSHAKE_PREFIX + event.channel[len(prefix) :]
                        await self._take_handshake(key, event.seen_ns)
            except Exception as error:  # as above
                trouble.failed(diagnose(error))
                await drop_connections(self._reader)
                await asyncio.sleep(backoff.failed())

    async def _take_handshake(self, key: str, seen_ns: int) -> None:
        try:
            raw = await self._reader.get(key)
            if raw is None:
                return
            handshake = Handshake.parse(raw)
        except MalformedError as malformed:
            self._logger.warning("%s passes over a foreign value in %s (%s)", self.NAME, key, malformed)
            return
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._logger.warning("%s passes over a foreign value in %s (it is not a string)", self.NAME, key)
            return
        is_ours = handshake.epoch == self._epoch and handshake.writer == self._settings.name
        # Two events in quick succession may both find the later handshake.
        if is_ours and self._answered.get(key) != (handshake.seq, handshake.woken_by):
            self._answered[key] = (handshake.seq, handshake.woken_by)
            self._say_handshake(handshake, seen_ns)

    def _say_handshake(self, handshake: Handshake, seen_ns: int) -> None:
        who = f"{handshake.listener} on {handshake.host}"
        facts: dict[str, object] = {
            "listener": handshake.listener,
            "host": handshake.host,
            "epoch": handshake.epoch,
            "seq": handshake.seq,
            "t1_ns": handshake.t1_ns,
            "t2_ns": handshake.t2_ns,
            "t3_ns": handshake.t3_ns,
            "t4_ns": seen_ns,
        }
        if handshake.woken_by is WokenBy.SUBSCRIPTION:
            self._logger.info(
                "%s saw %s subscribe, and find seq %d", self.NAME, who, handshake.seq, extra=fields(**facts)
            )
            return
        round_trip, offset = round_trip_ns(handshake, seen_ns), clock_offset_ns(handshake, seen_ns)
        self._logger.info(
            "%s saw %s answer seq %d: round trip %s seconds, clock offset %s seconds",
            self.NAME,
            who,
            handshake.seq,
            seconds_text(round_trip),
            seconds_text(offset),
            extra=fields(**facts, round_trip_ns=round_trip, offset_ns=offset),
        )
