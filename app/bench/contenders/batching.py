"""The bare idea of our asynchronous listener, in variants that show what each part of it is worth.

While one batch is under way the next one gathers: any number of events of a key are one reading of its value. None of
these survives an error, and none keeps the accounts that the real listener keeps.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, cast

import hiredis
from keydb_observer.messages import Handshake, SharedValue, WokenBy
from keydb_observer.stream import Command, pack

from bench.job import CHANNEL_PREFIX, HOST, PATTERN, PREFIX, Job
from bench.record import Recorder

_BATCH = 256
_KEY_AT = len(CHANNEL_PREFIX)
_INDEX_AT = len(PREFIX)


def one_connection(job: Job, recorder: Recorder) -> None:
    """Events and reads on one connection, and MGET."""
    asyncio.run(Batching(job, recorder).run())


def own_get(job: Job, recorder: Recorder) -> None:
    """A GET for each key of a batch, all sent at once."""
    asyncio.run(OwnGet(job, recorder).run())


def two_connections(job: Job, recorder: Recorder) -> None:
    """Events on one connection, reads on the other, as RESP2 demands it."""
    asyncio.run(TwoConnections(job, recorder).run())


def no_coalescing(job: Job, recorder: Recorder) -> None:
    """A reading and an answer for each event."""
    asyncio.run(NoCoalescing(job, recorder).run())


def tracking(job: Job, recorder: Recorder) -> None:
    """The server says which keys are no longer what they were, instead of which command ran on them."""
    asyncio.run(Tracking(job, recorder).run())


class Connection(asyncio.Protocol):
    """Speaks RESP3."""

    def __init__(self, on_push: Callable[[list[Any], int], None]) -> None:
        self._on_push = on_push
        self._reader = hiredis.Reader()
        self._awaiting: deque[asyncio.Future[Any]] = deque()

    @classmethod
    async def connect(cls, job: Job, on_push: Callable[[list[Any], int], None]) -> Connection:
        """Connects and greets."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(on_push), HOST, job.port, ssl=job.tls_context())
        await connection.call(("HELLO", 3))
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        seen_ns = time.time_ns()
        self._reader.feed(data)
        while (item := self._reader.gets()) is not False:
            if type(item) is hiredis.PushNotification:
                self._on_push(item, seen_ns)
            else:
                self._awaiting.popleft().set_result(item)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        for awaiting in self._awaiting:
            awaiting.set_exception(exc or ConnectionError("the server closed it"))

    async def call(self, *commands: Command) -> list[Any]:
        """The replies to these commands."""
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._awaiting.extend(replies)
        self._transport.write(pack(*commands))
        return [await reply for reply in replies]

    def send(self, command: Command) -> None:
        """For a command that is not answered by a reply."""
        self._transport.write(pack(command))


class Batching:
    """Reads all the keys that changed since the last time, answers for them, and so on."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        self._job = job
        self._recorder = recorder
        self._changed: dict[bytes, int] = {}
        self._has_changed = asyncio.Event()
        self._last: dict[bytes, int] = {}

    async def run(self) -> None:
        """Until the recorder ends it."""
        events, reads = await self.connect()
        answers = await Connection.connect(self._job, self.on_push)
        await self.subscribe(events)
        self._recorder.ready()
        while True:
            await self._has_changed.wait()
            while batch := self.take_batch():
                raw = await self.read(reads, [key for key, _ in batch])
                values = [SharedValue.parse(one) for one in raw]
                command: list[bytes | str] = ["MSET"]
                sent_ns = time.time_ns()
                for (key, seen_ns), value in zip(batch, values, strict=True):
                    command += (b"handshake:bench:async:" + key, self._handshake(key, value, seen_ns, sent_ns))
                await answers.call(tuple(command))
                done_ns = time.time_ns()
                for (key, seen_ns), value in zip(batch, values, strict=True):
                    self.record(key, value.seq, seen_ns, done_ns)
            self._has_changed.clear()

    def _handshake(self, key: bytes, value: SharedValue, seen_ns: int, sent_ns: int) -> bytes:
        return Handshake(
            "listener-async",
            "bench",
            key.decode(),
            value.writer,
            value.epoch,
            value.seq,
            value.t1_ns,
            seen_ns,
            sent_ns,
            sent_ns - seen_ns,
            WokenBy.EVENT,
        ).encode()

    async def connect(self) -> tuple[Connection, Connection]:
        """The connection for events, and the one for reads."""
        connection = await Connection.connect(self._job, self.on_push)
        return connection, connection

    async def subscribe(self, events: Connection) -> None:
        """Returns once events come."""
        events.send(("PSUBSCRIBE", PATTERN))
        await events.call(("PING",))

    def on_push(self, item: list[Any], seen_ns: int) -> None:
        """Notes an event."""
        if item[0] == b"pmessage":
            if self._recorder.events is not None:
                self._recorder.events += 1
            self.note(item[2][_KEY_AT:], seen_ns)

    def note(self, key: bytes, seen_ns: int) -> None:
        """A key has changed."""
        self._changed[key] = seen_ns
        self._has_changed.set()

    def take_batch(self) -> list[tuple[bytes, int]]:
        """The next keys to read, and when their last event was seen."""
        return [(key, self._changed.pop(key)) for key in list(islice(self._changed, _BATCH))]

    async def read(self, reads: Connection, keys: list[bytes]) -> Iterable[bytes]:
        """What the keys hold."""
        (values,) = await reads.call(("MGET", *keys))
        return cast("list[bytes]", values)

    def record(self, key: bytes, seq: int, seen_ns: int, done_ns: int) -> None:
        """All the writes up to this one are handled, if it is news."""
        last = self._last.get(key, 0)
        if seq > last:
            self._last[key] = seq
            self._recorder.handled(int(key[_INDEX_AT:]), last + 1, seq, seen_ns, done_ns)


class OwnGet(Batching):
    """One GET for each key."""

    async def read(self, reads: Connection, keys: list[bytes]) -> Iterable[bytes]:
        """What the keys hold."""
        return await reads.call(*(("GET", key) for key in keys))


class TwoConnections(Batching):
    """Where reads do not wait behind events, nothing tells which events a value includes."""

    async def connect(self) -> tuple[Connection, Connection]:
        """The connection for events, and the one for reads."""
        return await Connection.connect(self._job, self.on_push), await Connection.connect(self._job, self.on_push)


class NoCoalescing(Batching):
    """Every event is handled by itself, though in batches."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        super().__init__(job, recorder)
        self._events: deque[tuple[bytes, int]] = deque()

    def note(self, key: bytes, seen_ns: int) -> None:
        """A key has changed."""
        self._events.append((key, seen_ns))
        self._has_changed.set()

    def take_batch(self) -> list[tuple[bytes, int]]:
        """The next events."""
        return [self._events.popleft() for _ in range(min(len(self._events), _BATCH))]

    def record(self, key: bytes, seq: int, seen_ns: int, done_ns: int) -> None:  # noqa: ARG002  # as the base has it
        """The nth event is the nth write's, whatever the value is by now."""
        number = self._last[key] = self._last.get(key, 0) + 1
        self._recorder.handled(int(key[_INDEX_AT:]), number, number, seen_ns, done_ns)


class Tracking(Batching):
    """The server sends a key once for any number of writes in a turn of its loop, so events cannot be counted."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        super().__init__(job, recorder)
        recorder.events = None

    async def subscribe(self, events: Connection) -> None:
        """Returns once events come."""
        await events.call(("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX))

    def on_push(self, item: list[Any], seen_ns: int) -> None:
        """Notes the keys that changed."""
        if item[0] == b"invalidate":
            for key in item[1] or ():
                self.note(key, seen_ns)
