"""A writer's connection. Knows when it can take more, and why it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.stream import Stream
from keydb_observer.wire import tls_context

# So much may wait in this process for the kernel to take it. What is written is then soon sent, too.
_MOST_UNSENT = 1 << 18


class Alarm:
    """Something to wait for. With the loop's own part it takes 7 us, where asyncio.wait_for takes 12 (Python 3.11)."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._has_rung = False

    def ring(self) -> None:
        """Ends the waiting, or the next one if nobody waits."""
        self._has_rung = True
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, most_s: float) -> None:
        """Returns when it rings, and after ``most_s`` seconds at the latest."""
        if not self._has_rung and most_s > 0:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(most_s, self.ring)
            try:
                await self._waiter
            finally:
                timer.cancel()
        self._has_rung = False


class LoadConnection(asyncio.Protocol):
    """``await LoadConnection.open(…)`` makes one. It serves whoever calls ``attach``.

    It is no AsyncLink, which writes each command by itself and calls somebody for each reply. In pieces of 150 writes
    that took 3.9 to 4.7 us a write, without making values or recording latencies; this took 1.4 to 2.2 us with both,
    since a piece is written as one and its replies are mostly counted without looking at each. AsyncLink would do for
    150,000 writes/s, too, but with most of a core that the server beside it may need.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self.node = node
        self.is_full = False
        self.error: Exception | None = None
        self._settings = settings
        self._stream = Stream(lambda _channel, _seen: None, settings.timeout)
        self._transport: asyncio.Transport | None = None
        self._greeted = Alarm()
        self._take: Callable[[bytes], None] = self._greet
        self._on_change: Callable[[], None] = self._greeted.ring

    @classmethod
    async def open(cls, node: Node, settings: Settings, name: str) -> LoadConnection:
        """Connects and greets, as ``name``. Raises redis-py's errors, OSError and asyncio.TimeoutError.

        Also ValueError when there is no password in its file.
        """
        connection = cls(node, settings)
        try:
            await asyncio.wait_for(connection._open(name), settings.timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _open(self, name: str) -> None:
        tls = self._settings.tls
        await asyncio.get_running_loop().create_connection(
            lambda: self, self.node.host, self.node.port, ssl=tls_context(tls) if tls else None
        )
        self.send(self._stream.greet(self._settings, name, (), ()))
        while not self._stream.is_ready and self.error is None:
            await self._greeted.wait(self._settings.timeout)
        if self.error:
            raise self.error

    def _greet(self, data: bytes) -> None:
        self._stream.take(data, len(data))

    def attach(self, take: Callable[[bytes], None], on_change: Callable[[], None]) -> None:
        """``take`` gets what arrives from now on.

        ``on_change`` is called after that, when more can be sent again, and when the connection is lost.
        """
        self._take, self._on_change = take, on_change

    def send(self, data: bytes) -> None:
        """Sends it, or keeps it for the kernel to take; then it may be full."""
        if self._transport:
            self._transport.write(data)

    def close(self) -> None:
        """Without a goodbye, and without telling anybody."""
        self._on_change = _nobody
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_MOST_UNSENT)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            self._take(data)
        except Exception as error:  # asyncio would only log it; whoever sends has to know
            self._lose(error)
        self._on_change()

    def pause_writing(self) -> None:
        """Called by asyncio."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self.is_full = False
        self._on_change()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._lose(exc or self._stream.ended())
        self._on_change()

    def _lose(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
        if self._transport:
            self._transport.abort()


def _nobody() -> None:
    """Is told when a connection that was closed changes."""
