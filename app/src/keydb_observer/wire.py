"""Connections that speak RESP3 themselves: events and replies come in the order in which the server made them.

redis-py hands over one message at a time, at some 50 us each, and keeps subscriptions and commands on connections of
their own, so that nothing tells whether an event came before or after a reply. Here hiredis takes a whole read from the
socket apart, and because RESP3 lets one connection subscribe *and* read, the events that precede a reply are exactly
those of the writes that the reply includes. Errors are redis-py's exceptions, so that a trouble has one name wherever
it comes from.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis
from redis import exceptions as redis_errors

from keydb_observer.connection import read_password
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings, Tls
from keydb_observer.trouble import SilentNodeError, SlowConsumerError

Argument = bytes | str | int
Command = tuple[Argument, ...]

_CHUNK = 1 << 16
_PING: Command = ("PING",)
_EVENTS = (b"message", b"pmessage")
# More than this many bytes of events between two replies are no longer what came while a reply was on its way.
_BACKLOG = 3 << 14

# The codes that the server's error replies begin with.
_ERRORS: dict[str, type[redis_errors.RedisError]] = {
    "WRONGPASS": redis_errors.AuthenticationError,
    "NOAUTH": redis_errors.AuthenticationError,
    "NOPERM": redis_errors.NoPermissionError,
    "LOADING": redis_errors.BusyLoadingError,
    "READONLY": redis_errors.ReadOnlyError,
    "MASTERDOWN": redis_errors.MasterDownError,
    "OOM": redis_errors.OutOfMemoryError,
}


# Its annotation allows for tuples of one only.
_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)


class Instant(NamedTuple):
    """One moment on this host's two clocks: the time of day (Unix time) and the monotonic clock, both in ns."""

    time_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> Instant:
        """This moment."""
        return cls(time.time_ns(), time.monotonic_ns())


OnEvent = Callable[[bytes, Instant], None]
"""Is given the channel of an event, and when it was seen."""
OnReply = Callable[[Any], None]
"""Is given a reply, or the error that the server answered with."""


def pack(*commands: Command) -> bytes:
    """Commands as they travel."""
    return b"".join(map(_pack, commands))


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


def error_reply(text: str) -> redis_errors.RedisError:
    """redis-py's exception for what the server answers with."""
    return _ERRORS.get(text.partition(" ")[0], redis_errors.ResponseError)(text)


def _greeting(settings: Settings) -> Command:
    """HELLO, which also authenticates: one round trip, and no moment in which the default user is asked anything."""
    if settings.credentials is None:
        return ("HELLO", 3)
    password = read_password(settings.credentials.password_file)
    return ("HELLO", 3, "AUTH", settings.credentials.username or "default", password)


def _or_raise(reply: Any) -> Any:
    if isinstance(reply, redis_errors.RedisError):
        raise reply
    return reply


class Watchdog:
    """Decides when to send a PING into a silence, and when to give up."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._monotonic = monotonic
        self.heard()

    def heard(self) -> None:
        """Something arrived, whatever it was: the other end lives."""
        self.heard_at = self._monotonic()
        self._deadline = self.heard_at + self._timeout
        self._has_pinged = False

    def patience(self) -> float:
        """How many seconds may still pass in silence."""
        return max(0.0, self._deadline - self._monotonic())

    def wants_ping(self) -> bool:
        """Whether a PING is due. Raises SilentNodeError when there was one and nothing came back."""
        if self._monotonic() < self._deadline:
            return False
        if self._has_pinged:
            raise SilentNodeError(f"no answer to PING within {self._timeout:g} seconds")
        self._has_pinged = True
        self._deadline = self._monotonic() + self._timeout
        return True


def _ignore(_channel: bytes, _seen: Instant) -> None:
    """For a connection without a subscription."""


class Stream:
    """What arrives on one connection, in its order. Knows the protocol, and does no input or output itself.

    ``on_event`` is called for each event with its channel, and each reply goes to whoever waits for it, in between the
    events that came before and after it.
    """

    def __init__(self, on_event: OnEvent, timeout: float) -> None:
        self.watchdog = Watchdog(timeout)
        self.is_ready = False
        self._on_event = on_event
        self._reader = hiredis.Reader(replyError=error_reply)
        self._awaiting: deque[OnReply] = deque()
        self._bytes_since_reply = 0

    @property
    def awaited(self) -> int:
        """How many replies have not come yet."""
        return len(self._awaiting)

    def greet(self, settings: Settings, name: str, channels: Sequence[str], patterns: Sequence[str]) -> bytes:
        """What to send first; ``is_ready`` once all of it was answered."""
        commands = [(*_greeting(settings), "SETNAME", name)]
        commands += [("SUBSCRIBE", *channels)] if channels else []
        commands += [("PSUBSCRIBE", *patterns)] if patterns else []
        # A subscription is confirmed by events of its own, and this by a reply that comes after all of them.
        self._awaiting.extend((_or_raise, self._greeted))
        return pack(*commands, _PING)

    def _greeted(self, reply: Any) -> None:
        _or_raise(reply)
        self.is_ready = True

    def ask(self, command: Command, on_reply: OnReply) -> bytes:
        """What to send for this command, whose reply, which may be an exception, goes to ``on_reply``."""
        self._awaiting.append(on_reply)
        return _pack(command)

    def ping_if_due(self) -> bytes:
        """What to send into a silence; nothing if there is none. Raises SilentNodeError."""
        return self.ask(_PING, _or_raise) if self.watchdog.wants_ping() else b""

    def take(self, data: bytes | memoryview, length: int) -> None:
        """Takes apart the first ``length`` bytes, which arrived just now.

        Raises what a callback raises, and redis-py's errors.
        """
        seen = Instant.now()
        self.watchdog.heard()
        self._bytes_since_reply += length
        reader, on_event = self._reader, self._on_event
        try:
            # Its annotation allows for bytes only; it takes any buffer.
            reader.feed(cast("bytes", data), 0, length)
            while (item := reader.gets()) is not False:
                if type(item) is hiredis.PushNotification:
                    if item[0] in _EVENTS:
                        on_event(item[-2], seen)
                elif self._awaiting:
                    self._bytes_since_reply = 0
                    self._awaiting.popleft()(item)
                else:
                    _or_raise(item)
        except hiredis.ProtocolError as error:
            raise redis_errors.InvalidResponse(f"it does not speak the protocol: {error}") from None

    def ended(self, error: Exception | None = None) -> Exception:
        """Why the other end closed the connection, as far as can be told from here; ``error`` is how that showed.

        Events and replies share the connection, so one that is closed with much behind the last reply belonged to
        somebody who did not keep up.
        """
        if self._bytes_since_reply >= _BACKLOG:
            return SlowConsumerError(f"{self._bytes_since_reply // 1024} KiB of events were waiting to be read")
        return error or redis_errors.ConnectionError("the server closed it")


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
        return _or_raise(replies[0])

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

    async def call(self, command: Command) -> Any:
        """Sends a command and returns its reply. Raises what the server answers with."""
        replies: list[Any] = []
        self.ask(command, replies.append)
        while not replies:
            await self.wait()
        return _or_raise(replies[0])

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
