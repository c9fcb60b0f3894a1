"""RESP3, without input or output: events and replies come in the order in which the server made them.

redis-py hands over one message at a time, at some 50 us each, and keeps subscriptions and commands on connections of
their own, so that nothing tells whether an event came before or after a reply. Here hiredis takes a whole read from the
socket apart, and because RESP3 lets one connection subscribe *and* read, the events that precede a reply are exactly
those of the writes that the reply includes. Errors are redis-py's exceptions, so that a trouble has one name wherever
it comes from.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis
from redis import exceptions as redis_errors

from keydb_observer.connection import read_password
from keydb_observer.settings import Settings
from keydb_observer.trouble import SilentNodeError, SlowConsumerError

Argument = bytes | str | int
Command = tuple[Argument, ...]

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


def error_reply(text: str) -> redis_errors.RedisError:
    """redis-py's exception for what the server answers with."""
    return _ERRORS.get(text.partition(" ")[0], redis_errors.ResponseError)(text)


def _greeting(settings: Settings) -> Command:
    """HELLO, which also authenticates: one round trip, and no moment in which the default user is asked anything."""
    if settings.credentials is None:
        return ("HELLO", 3)
    password = read_password(settings.credentials.password_file)
    return ("HELLO", 3, "AUTH", settings.credentials.username or "default", password)


def or_raise(reply: Any) -> Any:
    """The reply, unless it is an error that the server answered with."""
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
        self._awaiting.extend((or_raise, self._greeted))
        return pack(*commands, _PING)

    def _greeted(self, reply: Any) -> None:
        or_raise(reply)
        self.is_ready = True

    def ask(self, command: Command, on_reply: OnReply) -> bytes:
        """What to send for this command, whose reply, which may be an exception, goes to ``on_reply``."""
        self._awaiting.append(on_reply)
        return _pack(command)

    def ping_if_due(self) -> bytes:
        """What to send into a silence; nothing if there is none. Raises SilentNodeError."""
        return self.ask(_PING, or_raise) if self.watchdog.wants_ping() else b""

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
                    or_raise(item)
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
