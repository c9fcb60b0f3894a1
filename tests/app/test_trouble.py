"""Telling troubles apart, saying them once, waiting, and watching a silent connection."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
import uvloop
from app_harness import free_port
from keydb_observer.connection import async_client
from keydb_observer.nodes import Node
from keydb_observer.resolution import resolve
from keydb_observer.stream import Watchdog
from keydb_observer.trouble import Backoff, SilentNodeError, Trouble, TroubleLog, diagnose, is_refusal
from keydb_observer.wire import AsyncLink, Link

SETTINGS = resolve("write", {"timeout": "0.5", "name": "here"}, {})


@contextmanager
def server_that_answers(reply: bytes) -> Iterator[Node]:
    """Accepts one connection after the other, and answers every command alike."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    while connection.recv(4096) and reply:
                        connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Node("fake", "127.0.0.1", listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def all_diagnoses(node: Node) -> list[tuple[Trouble, bool]]:
    """What every kind of connection takes a failure for, and whether the command was certainly not carried out."""

    async def ask() -> None:
        client = async_client(node, SETTINGS)
        try:
            await client.set("key", "value")
        finally:
            await client.aclose()

    async def ask_by_link() -> None:
        link = await AsyncLink.connect(node, SETTINGS, "test")
        await link.call(("SET", "key", "value"))

    def attempts() -> Iterator[Callable[[], object]]:
        yield lambda: asyncio.run(ask())
        yield lambda: asyncio.run(ask_by_link())
        yield lambda: uvloop.run(ask_by_link())
        yield lambda: Link(node, SETTINGS, "test").call(("SET", "key", "value"))

    errors = []
    for attempt in attempts():
        with pytest.raises((redis.RedisError, OSError)) as caught:
            attempt()
        errors.append(caught.value)
    return [(diagnose(error), is_refusal(error)) for error in errors]


@pytest.mark.parametrize(
    ("reply", "kind", "refused"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading", True),
        (b"-READONLY You can't write against a read only replica.\r\n", "read-only", True),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "primary down", True),
        (b"-NOAUTH Authentication required.\r\n", "authentication", True),
        (b"-WRONGPASS invalid username-password pair\r\n", "authentication", True),
        (b"-NOPERM this user has no permissions to run the 'set' command\r\n", "permission", True),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "out of memory", True),
        (b"-MISCONF Errors writing to the AOF file: No space left on device\r\n", "error reply", True),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unexpected", False),
        (b"", "lost", False),
    ],
)
def test_replies(reply: bytes, kind: str, refused: bool) -> None:
    with server_that_answers(reply) as node:
        for trouble, is_refused in all_diagnoses(node):
            assert (trouble.kind, is_refused) == (kind, refused), trouble
            assert "\n" not in trouble.text
            if reply.startswith(b"-"):
                assert reply[1:-2].decode() in trouble.text, "the server's own words belong to it"


def test_nothing_listens() -> None:
    for trouble, _ in all_diagnoses(Node("fake", "127.0.0.1", free_port())):
        assert trouble == Trouble("refused", "it refuses connections: nothing listens there")


def test_no_such_host() -> None:
    for trouble, _ in all_diagnoses(Node("fake", "no-such-host.invalid", 1)):
        assert trouble.kind == "unknown host"


def test_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for trouble, refused in all_diagnoses(Node("fake", "127.0.0.1", listening.getsockname()[1])):
            assert (trouble.kind, refused) == ("silent", False)


def test_refused_where_the_pool_replaces_a_stale_connection() -> None:
    """redis-py loses the operating system's error on that way."""
    error = redis.ConnectionError("Error 111 connecting to localhost:6379. Connect call failed.")
    assert diagnose(error).kind == "refused"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_state_is_said_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = TroubleLog(logging.getLogger("test"), "it", repeat_after_s=60, monotonic=clock)
    caplog.set_level(logging.INFO)
    log.well()
    for kind in ("a", "a", "b", "a", "b", "b"):
        log.failed(Trouble(kind, f"is {kind}"))
        clock.now += 1
    log.well()
    log.well()
    assert caplog.messages == ["it: is a", "it: is b", "it: well again after 6.0 seconds"]
    caplog.clear()
    log.failed(Trouble("a", "is a"))
    log.failed(Trouble("b", "is b"))
    clock.now += 60
    log.failed(Trouble("b", "is b"))
    log.failed(Trouble("a", "is a"))
    assert caplog.messages == ["it: is a", "it: is b", "it: is a"], "a state that lasts is not said again"


def test_backoff_grows_to_its_cap_and_starts_over(clock: Clock) -> None:
    backoff = Backoff(first_s=0.1, cap_s=5.0, monotonic=clock)
    assert backoff.is_over
    delays = [backoff.failed() for _ in range(12)]
    assert 0.05 <= delays[0] <= 0.1
    assert all(2.5 <= delay <= 5.0 for delay in delays[6:])
    assert len(set(delays[6:])) > 1, "there is no jitter"
    assert not backoff.is_over
    clock.now += 5
    assert backoff.is_over
    backoff.succeeded()
    assert backoff.failed() >= 2.5, "well for no time at all is not well"
    backoff.succeeded()
    clock.now += 5
    backoff.succeeded()
    assert backoff.failed() <= 0.1


def test_watchdog(clock: Clock) -> None:
    dog = Watchdog(2.0, monotonic=clock)
    assert dog.patience() == 2.0
    clock.now += 1.9
    assert not dog.wants_ping()
    clock.now += 0.1
    assert dog.patience() == 0.0
    assert dog.wants_ping()
    assert not dog.wants_ping(), "one PING at a time"
    clock.now += 1.9
    dog.heard()
    clock.now += 2.0
    assert dog.wants_ping()
    clock.now += 2.0
    with pytest.raises(SilentNodeError, match="no answer to PING within 2 seconds"):
        dog.wants_ping()
