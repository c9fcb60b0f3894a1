"""The writer: sets the shared key at a steady pace, and watches the listeners' handshakes come back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NoReturn

import redis.asyncio

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.duration import seconds_text
from keydb_observer.handshakes import Rounds
from keydb_observer.inbox import Inbox, Reading, Watched
from keydb_observer.journal import fields
from keydb_observer.messages import HANDSHAKE_PREFIX, Handshake, MalformedError, SharedValue, WokenBy
from keydb_observer.metrics import Snapshot
from keydb_observer.nodes import Node
from keydb_observer.recorder import Recorder
from keydb_observer.settings import Settings
from keydb_observer.stream import Instant
from keydb_observer.trouble import Backoff, NodeTroubles, is_refusal, is_wrong_type
from keydb_observer.wire import AsyncLink
from keydb_observer.writer_lines import WriterLines

_TICK_S = 1.0


class Writer:
    """Tasks that do not wait for each other: one writes, one watches the handshakes, one sums up.

    ``clock_error`` tells how far this host's clock may be off, in ns (None: unknown).
    """

    NAME = "writer"

    def __init__(
        self, settings: Settings, logger: logging.Logger, clock_error: Callable[[], int | None] = lambda: None
    ) -> None:
        self._settings = settings
        self._logger = logger
        self._clock_error = clock_error
        self._epoch = time.time_ns()
        self._seq = 0
        self._before = 0
        self._rounds = Rounds(settings.name, self._epoch)
        self._write_node = settings.write_node or settings.read_node
        self._client = async_client(self._write_node, settings)
        self._round_trips = Recorder()
        self._lines = WriterLines(logger, self.NAME, settings.lines_up_to, self._round_trips)
        self._offsets_ns: dict[tuple[str, str], int] = {}
        self._writes = self._writes_failed = self._writes_unknown = self._reconnects = 0
        self._is_watching = False

    async def run(self) -> NoReturn:
        """Never returns by itself: whatever happens to a node, this says so and tries again."""
        try:
            await asyncio.gather(self._write_forever(), self._watch_forever(), self._tick_forever())
            raise AssertionError("all of them go on for ever")
        finally:
            self._logger.info("%s stops after seq %d", self.NAME, self._seq)
            await drop_connections(self._client)

    def snapshot(self) -> Snapshot:
        """The figures for Prometheus. May be called from any thread."""
        error_ns = self._clock_error()
        return Snapshot(
            labels={"writer": self._settings.name},
            counters={
                "writes": self._writes,
                "writes_failed": self._writes_failed,
                "writes_unknown": self._writes_unknown,
                "reconnects": self._reconnects,
            },
            gauges={
                "clock_error_seconds": None if error_ns is None else error_ns / 1e9,
                "connected": float(self._is_watching),
                "clock_offset_seconds": {
                    (("listener", listener), ("host", host)): offset_ns / 1e9
                    for (listener, host), offset_ns in self._offsets_ns.copy().items()
                },
            },
            histograms={"round_trip_seconds": self._round_trips.histogram},
        )

    async def _write_forever(self) -> NoReturn:
        troubles = NodeTroubles(self._logger, self.NAME, "writing to")
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
                troubles.failed(self._write_node, error)
                self._writes_failed += 1
                await drop_connections(self._client)
                await asyncio.sleep(backoff.failed())
                continue
            troubles.well(self._write_node)
            backoff.succeeded()
            self._writes += 1
            self._lines.wrote(self._settings.key, value)
            # The pace is kept from write to write; what an outage held up is not made up for.
            now = time.monotonic()
            due += self._settings.interval
            if due <= now:
                due = now + self._settings.interval
            await asyncio.sleep(due - now)

    async def _what_it_follows(self) -> str:
        try:
            raw = await self._client.get(self._settings.key)
            if raw is None:
                return "where nothing was"
            value = SharedValue.parse(raw)
        except MalformedError as malformed:
            return f"over a foreign value ({malformed})"
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            return "over a foreign value (it is not a string)"
        self._before = value.total
        age = seconds_text(time.time_ns() - value.t1_ns)
        return f"after seq {value.seq} of writer {value.writer} epoch {value.epoch}, written {age} seconds before"

    async def _write(self) -> SharedValue:
        # Connecting, TLS and a server that is still loading are dealt with here, outside of what is measured.
        await self._client.ping()
        error_ns = self._clock_error()
        written = Instant.now()
        value = SharedValue(self._settings.name, self._epoch, self._seq + 1, written.time_ns, error_ns, self._before)
        self._rounds.wrote(value, written)
        try:
            await self._client.set(self._settings.key, value.encode())
        except Exception as error:
            if not is_refusal(error):
                # The connection broke after the command was sent. It may have been carried out, so its number is used.
                self._seq = value.seq
                self._writes_unknown += 1
                self._logger.warning(
                    "%s cannot tell whether %s seq %d was written", self.NAME, self._settings.key, value.seq
                )
            raise
        self._seq = value.seq
        return value

    async def _tick_forever(self) -> NoReturn:
        while True:
            await asyncio.sleep(_TICK_S)
            self._lines.tick()

    async def _watch_forever(self) -> NoReturn:
        node = self._settings.read_node
        troubles = NodeTroubles(self._logger, self.NAME, "watching handshakes at")
        backoff = Backoff()
        while True:
            try:
                await self._watch(node, troubles, backoff)
            except Exception as error:  # as above
                self._is_watching = False
                self._reconnects += 1
                troubles.failed(node, error)
                await asyncio.sleep(backoff.failed())

    async def _watch(self, node: Node, troubles: NodeTroubles, backoff: Backoff) -> NoReturn:
        inbox = Inbox()
        patterns = Watched.of([f"{HANDSHAKE_PREFIX}*"]).channel_patterns
        link = await AsyncLink.connect(
            self._settings.read_node, self._settings, self.NAME, inbox.note, patterns=patterns
        )
        try:
            self._is_watching = True
            while True:
                troubles.well(node)
                backoff.succeeded()
                await self._take_next(link, inbox)
        finally:
            link.close()

    async def _take_next(self, link: AsyncLink, inbox: Inbox) -> None:
        command = inbox.next_command()
        if command is None:
            await link.wait()
            return
        readings: list[Reading] = []
        link.ask(command, lambda reply: readings.extend(inbox.take(reply)))
        while not readings:
            await link.wait()
        for reading in readings:
            self._take(reading)

    def _take(self, reading: Reading) -> None:
        if reading.raw is None:
            return
        try:
            handshake = Handshake.parse(reading.raw)
        except MalformedError as malformed:
            self._logger.warning("%s passes over a foreign value in %r (%s)", self.NAME, reading.key, malformed)
            return
        answer = self._rounds.answer(reading.key, handshake, reading.seen or reading.read)
        if answer is None:
            return
        if handshake.woken_by is WokenBy.SUBSCRIPTION or answer.round_trip_ns is None:
            self._lines.found(answer)
            return
        self._round_trips.record(answer.round_trip_ns)
        self._offsets_ns[handshake.listener, handshake.host] = answer.offset_ns
        self._lines.answered(answer, answer.round_trip_ns, self._clock_error())
