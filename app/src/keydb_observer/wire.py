"""The two links to a node, one that blocks and one for asyncio, that carry the protocol of ``stream``."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import Any, cast

from keydb_observer.nodes import Node
from keydb_observer.settings import Settings, Tls
from keydb_observer.stream import Command, Instant, OnEvent, OnReply, Stream, or_raise

_CHUNK = 1 << 16


def tls_context(tls: Tls) -> ssl.SSLContext:
    """At least TLS 1.2, the server's certificate and address checked, and no authority trusted but ``tls.ca``'s.

    Without ``ca`` the system's are. Raises OSError and ssl.SSLError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.ca:
        context.load_verify_locations(cafile=tls.ca)
    else:
        context.load_default_certs()
    if tls.certificate and tls.key:
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    return context


def _ignore(_channel: bytes, _seen: Instant) -> None:
    """For a connection without a subscription."""


class Link:
    """A connection that blocks. Making one connects, greets and subscribes.

    Every method raises redis-py's errors and OSError, after which it is good for nothing but closing.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        name: str,
        on_event: OnEvent = _ignore,
        *,
        channels: Sequence[str] = (),
        patterns: Sequence[str] = (),
    ) -> None:
        self.node = node
        self.stream = Stream(on_event, settings.timeout)
        self._timeout = settings.timeout
        self._socket = _connected(node, settings)
        try:
            self._send(self.stream.greet(settings, name, channels, patterns))
            while not self.stream.is_ready:
                self._receive(settings.timeout)
        except BaseException:
            self.close()
            raise

    def ask(self, command: Command, on_reply: OnReply) -> None:
        """Sends a command, whose reply or error will go to ``on_reply`` while somebody waits."""
        self._send(self.stream.ask(command, on_reply))

    def call(self, command: Command) -> Any:
        """Sends a command and returns its reply. Raises what the server answers with."""
        replies: list[Any] = []
        self.ask(command, replies.append)
        while not replies:
            self.wait()
        return or_raise(replies[0])

    def wait(self, most_s: float = math.inf) -> None:
        """Returns when something has arrived and was taken, and after ``most_s`` seconds at the latest.

        A silence is tested by a PING. Raises SilentNodeError when that has no answer.
        """
        try:
            self._receive(min(most_s, self.stream.watchdog.patience()))
        except TimeoutError:
            ping = self.stream.ping_if_due()
            if ping:
                self._send(ping)

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(self._timeout)
        try:
            self._socket.sendall(data)
        except ConnectionError as error:
            raise self.stream.ended(error) from None

    def _receive(self, most_s: float) -> None:
        # Zero would mean not to block at all, which ends in another error.
        self._socket.settimeout(max(most_s, 0.001))
        try:
            data = self._socket.recv(_CHUNK)
        except ConnectionError as error:
            raise self.stream.ended(error) from None
        if not data:
            raise self.stream.ended()
        # First of all: it notes the time.
        self.stream.take(data, len(data))

    def close(self) -> None:
        """Closes it without a goodbye, for which a node that hangs would have to be waited for."""
        self._socket.close()


class AsyncLink(asyncio.BufferedProtocol):
    """The same for asyncio. ``await AsyncLink.connect(…)`` makes one.

    It has one buffer to read into. A plain protocol is given a new one of 256 KiB for each read, which the C library
    maps and unmaps, and that alone takes longer than all that is done with an event.
    """

    def __init__(self, node: Node, settings: Settings, on_event: OnEvent) -> None:
        self.node = node
        self.stream = Stream(on_event, settings.timeout)
        # A view: with TLS asyncio reads one record after the other into slices of it, and those of bytes are copies.
        self._buffer = memoryview(bytearray(_CHUNK))
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._has_arrived = False
        self._error: Exception | None = None

    @classmethod
    async def connect(
        cls,
        node: Node,
        settings: Settings,
        name: str,
        on_event: OnEvent = _ignore,
        *,
        channels: Sequence[str] = (),
        patterns: Sequence[str] = (),
    ) -> AsyncLink:
        """Connects, greets and subscribes. Raises redis-py's errors and OSError."""
        link = cls(node, settings, on_event)

        async def greet() -> None:
            await asyncio.get_running_loop().create_connection(
                lambda: link,
                node.host,
                node.port,
                ssl=tls_context(settings.tls) if settings.tls else None,
            )
            link._send(link.stream.greet(settings, name, channels, patterns))
            while not link.stream.is_ready:
                await link._arrival(settings.timeout)

        try:
            await asyncio.wait_for(greet(), settings.timeout)
        except BaseException:
            link.close()
            raise
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        _tune(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's guess is not needed
        """Called by asyncio."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio."""
        try:
            self.stream.take(self._buffer, nbytes)
        except Exception as error:  # asyncio would only log it; whoever waits has to know
            self._fail(error)
        self._has_arrived = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._fail(self.stream.ended(exc))

    def ask(self, command: Command, on_reply: OnReply) -> None:
        """Sends a command, whose reply or error will go to ``on_reply``."""
        self._send(self.stream.ask(command, on_reply))

    async def ask_all(self, commands: Iterable[Command]) -> list[Any]:
        """Sends commands together and returns their replies. An error that the server answers with is one of them."""
        replies: list[Any] = []
        packed = [self.stream.ask(command, replies.append) for command in commands]
        # In one piece: with TLS each would else be a record of its own, and cost the server a system call.
        self._send(b"".join(packed))
        while len(replies) < len(packed):
            await self.wait()
        return replies

    async def call(self, command: Command) -> Any:
        """Sends a command and returns its reply. Raises what the server answers with."""
        replies: list[Any] = []
        self.ask(command, replies.append)
        while not replies:
            await self.wait()
        return or_raise(replies[0])

    async def wait(self, most_s: float = math.inf) -> None:
        """Returns when something has arrived and was taken, and after ``most_s`` seconds at the latest.

        A silence is tested by a PING. Raises SilentNodeError when that has no answer.
        """
        if not await self._arrival(min(most_s, self.stream.watchdog.patience())):
            ping = self.stream.ping_if_due()
            if ping:
                self._send(ping)

    async def _arrival(self, most_s: float) -> bool:
        """Whether something arrived since the last time, or does within ``most_s`` seconds."""
        if not self._has_arrived and self._error is None:
            # Some 3 us, where asyncio.wait_for with its task takes ten times as long.
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(most_s, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        if self._error:
            raise self._error
        has_arrived, self._has_arrived = self._has_arrived, False
        return has_arrived

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _send(self, data: bytes) -> None:
        if self._error:
            raise self._error
        if self._transport:
            self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.close()
        self._wake()

    def close(self) -> None:
        """As above."""
        if self._transport:
            self._transport.abort()


def _connected(node: Node, settings: Settings) -> socket.socket:
    connection = socket.create_connection((node.host, node.port), timeout=settings.timeout)
    try:
        _tune(connection)
        if settings.tls is None:
            return connection
        return tls_context(settings.tls).wrap_socket(connection, server_hostname=node.host)
    except BaseException:
        connection.close()
        raise


def _tune(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
