"""What can go wrong between here and a node: telling the kinds apart, saying each once, and waiting before a retry."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis import exceptions as redis_errors

from keydb_observer.journal import fields
from keydb_observer.nodes import Node


class SilentNodeError(redis_errors.TimeoutError):
    """A connection that looks open, but whose other end does not answer."""


class SlowConsumerError(redis_errors.ConnectionError):
    """The server closed the connection of somebody who did not read as fast as events came."""


@dataclass(frozen=True)
class Trouble:
    """``kind`` is the state that a node is in, ``text`` what to say about it."""

    kind: str
    text: str


_REPLIES: tuple[tuple[type[Exception], str, str], ...] = (
    (redis_errors.AuthenticationError, "authentication", "it refuses our user name or password"),
    (redis_errors.NoPermissionError, "permission", "its access control list forbids this"),
    (redis_errors.BusyLoadingError, "loading", "it is loading its data"),
    (redis_errors.ReadOnlyError, "read-only", "it is a read-only replica"),
    (redis_errors.MasterDownError, "primary down", "it is a replica that has lost its primary"),
    (redis_errors.OutOfMemoryError, "out of memory", "it has no memory left"),
    (redis_errors.ResponseError, "error reply", "it answers with an error"),
)


def diagnose(error: BaseException) -> Trouble:
    """Which kind of trouble this is, in words that name what to look at."""
    trouble = _from_tls(error) or _from_reply(error) or _from_network(error)
    return trouble or Trouble("unexpected", f"{type(error).__name__}: {error}")


def is_wrong_type(error: redis_errors.ResponseError) -> bool:
    """Whether the server says that a key holds another type than a string."""
    return str(error).startswith("WRONGTYPE")


def is_refusal(error: BaseException) -> bool:
    """Whether the server said no to the command, so that it certainly did nothing."""
    return isinstance(
        error, redis_errors.ResponseError | redis_errors.BusyLoadingError | redis_errors.AuthenticationError
    )


def _from_tls(error: BaseException) -> Trouble | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Trouble("lost", "the connection is lost (it broke off TLS)")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble("tls", f"TLS fails: the server's certificate is not accepted: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return Trouble("tls", f"TLS fails: {(cause.reason or str(cause)).replace('_', ' ').lower()}")
    return Trouble("tls", f"TLS fails: {error}") if "[SSL" in str(error) else None


def _from_reply(error: BaseException) -> Trouble | None:
    for error_class, kind, text in _REPLIES:
        if isinstance(error, error_class):
            # redis-py cuts the code, such as WRONGPASS, off the server's words and keeps it beside them.
            code = getattr(error, "status_code", None)
            return Trouble(kind, f"{text} ({code} {error})" if code else f"{text} ({error})")
    return None


def _from_network(error: BaseException) -> Trouble | None:
    if isinstance(error, SlowConsumerError):
        return Trouble("slow consumer", f"we are a slow consumer, and it closed the connection ({error})")
    if isinstance(error, redis_errors.TimeoutError | asyncio.TimeoutError | TimeoutError):
        return Trouble("silent", f"it does not answer ({error})" if str(error) else "it does not answer")
    if isinstance(error, OSError) and error.filename is not None:
        return Trouble("file", f"{error.filename}: {error.strerror}")
    if isinstance(error, redis_errors.ConnectionError | OSError):
        return _from_causes(error) or Trouble("lost", f"the connection is lost ({error})")
    return None


def _from_causes(error: BaseException) -> Trouble | None:
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError) or str(cause).startswith(f"Error {errno.ECONNREFUSED} "):
            return Trouble("refused", "it refuses connections: nothing listens there")
        if isinstance(cause, socket.gaierror):
            return Trouble("unknown host", f"its host name cannot be resolved ({cause.strerror})")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from: redis-py wraps the operating system's errors in its own.

    Where its pool replaces a stale connection the origin is lost, and only the number in its text is left.
    """
    cause: BaseException | None = error
    seen: list[BaseException] = []
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


class TroubleLog:
    """Says once what state something is in, when that changes, and once when it is well again.

    Two states may take turns for as long as an outage lasts (a server that is restarted over and over). Each of them is
    then said again after ``repeat_after_s`` at the earliest.
    """

    def __init__(
        self,
        logger: logging.Logger,
        subject: str,
        *,
        relief: str = "well again",
        repeat_after_s: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._subject = subject
        self._relief = relief
        self._repeat_after_s = repeat_after_s
        self._monotonic = monotonic
        self._last_said: str | None = None
        self._said_at: dict[str, float] = {}
        self._since: float | None = None

    def failed(self, trouble: Trouble) -> None:
        """Something does not work, in this way."""
        now = self._monotonic()
        if self._since is None:
            self._since = now
        said_at = self._said_at.get(trouble.kind)
        if trouble.kind == self._last_said or (said_at is not None and now - said_at < self._repeat_after_s):
            return
        self._last_said = trouble.kind
        self._said_at[trouble.kind] = now
        self._logger.warning("%s: %s", self._subject, trouble.text, extra=fields(trouble=trouble.kind))

    def well(self) -> None:
        """It works."""
        if self._since is None:
            return
        lasted = self._monotonic() - self._since
        self._since = self._last_said = None
        self._said_at.clear()
        self._logger.info(
            "%s: %s after %.1f seconds", self._subject, self._relief, lasted, extra=fields(trouble="none")
        )


class NodeTroubles:
    """A TroubleLog for each node that something is done at: ``activity`` is such as ``reading from``."""

    def __init__(self, logger: logging.Logger, who: str, activity: str) -> None:
        self._logger = logger
        self._subject = f"{who}: {activity}"
        self._logs: dict[Node, TroubleLog] = {}

    def failed(self, node: Node, error: BaseException) -> None:
        """It does not work at this node."""
        if node not in self._logs:
            self._logs[node] = TroubleLog(self._logger, f"{self._subject} {node}")
        self._logs[node].failed(diagnose(error))

    def well(self, node: Node) -> None:
        """It works at this node."""
        if node in self._logs:
            self._logs[node].well()


class Backoff:
    """How long to wait before the next attempt: twice as long each time up to a cap, with jitter.

    The jitter (a random half of the delay) keeps observers that lost the same node from returning all at once. The
    delay starts over only once things were well for as long as the cap: a server that accepts and drops connections
    must not be tried in a tight loop.
    """

    def __init__(
        self, first_s: float = 0.1, cap_s: float = 5.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._monotonic = monotonic
        self._delay_s = first_s
        self._well_since: float | None = None
        self._retry_at = float("-inf")

    @property
    def is_over(self) -> bool:
        """Whether the delay that ``failed`` returned has passed."""
        return self._monotonic() >= self._retry_at

    def failed(self) -> float:
        """Returns the delay before the next attempt, in seconds."""
        now = self._monotonic()
        if self._well_since is not None and now - self._well_since >= self._cap_s:
            self._delay_s = self._first_s
        self._well_since = None
        delay_s = self._delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
        self._delay_s = min(2 * self._delay_s, self._cap_s)
        self._retry_at = now + delay_s
        return delay_s

    def succeeded(self) -> None:
        """An attempt went well."""
        if self._well_since is None:
            self._well_since = self._monotonic()
