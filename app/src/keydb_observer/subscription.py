"""A subscription that notices when the other end is gone, for threads and for asyncio.

The kernel may keep a connection open for hours whose other end has hung or lost its cable, and a subscriber, who only
listens, would never know. So whenever a subscription has been silent for ``timeout`` seconds it sends a PING, and when
nothing at all has come back ``timeout`` seconds later the node counts as lost.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from keydb_observer.trouble import SilentNodeError

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from typing import Self
    else:
        from typing_extensions import Self

_EVENTS = ("message", "pmessage")
_CONFIRMATIONS = ("subscribe", "psubscribe")


@dataclass(frozen=True)
class Event:
    """Something happened to a key: ``channel`` says to which, ``seen_ns`` (Unix time) when it was seen here."""

    channel: str
    seen_ns: int


class Watchdog:
    """Decides when to send a PING, and when to give up."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._monotonic = monotonic
        self.heard()

    def heard(self) -> None:
        """Something arrived, whatever it was: the other end lives."""
        self._deadline = self._monotonic() + self._timeout
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


class Subscription:
    """A channel's events, one after the other. Used as a context manager; entering it waits until it is confirmed.

    Every method raises redis-py's errors and OSError, after which it is good for nothing but leaving.
    """

    def __init__(self, client: redis.Redis, channel: str, timeout: float) -> None:
        self._pubsub = client.pubsub()  # type: ignore[no-untyped-call]
        self._channel = channel
        self._watchdog = Watchdog(timeout)

    def __enter__(self) -> Self:
        try:
            self._pubsub.subscribe(self._channel)
            self._watchdog.heard()
            while self._next_message(_CONFIRMATIONS) is None:
                pass
        except BaseException:
            self._pubsub.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pubsub.close()

    def next_event(self) -> Event:
        """Waits for the next event for as long as it takes."""
        while True:
            event = self._next_message(_EVENTS)
            if event:
                return event

    def _next_message(self, kinds: tuple[str, ...]) -> Event | None:
        message = self._pubsub.get_message(timeout=self._watchdog.patience())
        seen_ns = time.time_ns()
        if message is not None:
            self._watchdog.heard()
            return _as_event(message, seen_ns, kinds)
        if self._watchdog.wants_ping():
            self._pubsub.ping()
        return None


class AsyncSubscription:
    """The same for asyncio, and also for a pattern of channels."""

    def __init__(self, client: redis.asyncio.Redis, channel: str, timeout: float, *, is_pattern: bool = False) -> None:
        self._pubsub = client.pubsub()
        self._channel = channel
        self._is_pattern = is_pattern
        self._watchdog = Watchdog(timeout)

    async def __aenter__(self) -> Self:
        try:
            await self._subscribe()
            self._watchdog.heard()
            while await self._next_message(_CONFIRMATIONS) is None:
                pass
        except BaseException:
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _subscribe(self) -> None:
        if self._is_pattern:
            await self._pubsub.psubscribe(self._channel)
        else:
            await self._pubsub.subscribe(self._channel)

    async def next_event(self) -> Event:
        """Waits for the next event for as long as it takes."""
        while True:
            event = await self._next_message(_EVENTS)
            if event:
                return event

    async def _next_message(self, kinds: tuple[str, ...]) -> Event | None:
        message = await self._pubsub.get_message(timeout=self._watchdog.patience())
        seen_ns = time.time_ns()
        if message is not None:
            self._watchdog.heard()
            return _as_event(message, seen_ns, kinds)
        if self._watchdog.wants_ping():
            await self._pubsub.ping()
        return None


def _as_event(message: dict[str, Any], seen_ns: int, kinds: tuple[str, ...]) -> Event | None:
    if message["type"] not in kinds:
        return None
    return Event(bytes(message["channel"]).decode(errors="replace"), seen_ns)
