"""The order of events and replies, and what ends a connection: without a server, and against fake ones."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.inbox import Inbox, Reading, Watched, is_pattern
from keydb_observer.messages import WokenBy
from keydb_observer.nodes import Node
from keydb_observer.resolution import resolve
from keydb_observer.stream import Instant, Stream
from keydb_observer.trouble import SilentNodeError, SlowConsumerError
from keydb_observer.wire import AsyncLink, Link

SETTINGS = resolve("listen", {"mode": "sync", "name": "here", "timeout": 0.2}, {})
GREETED = b"%1\r\n$6\r\nserver\r\n$4\r\nfake\r\n+PONG\r\n"
EVENT = b">4\r\n$8\r\npmessage\r\n$1\r\np\r\n$15\r\n__keyspace@0__:\r\n$3\r\nset\r\n"
NOW = Instant(1, 1)


def bulk(*texts: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(text), text) for text in texts)


def event(key: str) -> bytes:
    return b">4\r\n" + bulk(b"pmessage", b"*", f"__keyspace@0__:{key}".encode(), b"set")


def value(held: bytes | None) -> bytes:
    return b"$-1\r\n" if held is None else bulk(held)


Step = tuple[str, int]
steps = st.lists(st.tuples(st.sampled_from(["event", "reply"]), st.integers(0, 3)), max_size=60)


@given(steps, st.data())
def test_a_reading_has_exactly_the_events_before_it(script: list[Step], data: st.DataObject) -> None:
    """Whatever way the bytes are cut into reads."""
    inbox = Inbox(batch=2)
    stream = Stream(inbox.note, 1)
    readings: list[Reading] = []
    arriving, expected = b"", []
    since = dict.fromkeys("abcd", 0)

    def deliver() -> None:
        nonlocal arriving
        while arriving:
            cut = data.draw(st.integers(1, len(arriving)))
            stream.take(arriving, cut)
            arriving = arriving[cut:]

    for what, number in script:
        key = "abcd"[number]
        if what == "event":
            since[key] += 1
            arriving += event(key)
            continue
        deliver()
        command = inbox.next_command()
        if command is None:
            continue
        stream.ask(command, lambda reply: readings.extend(inbox.take(reply)))
        # One more event, before the reply and one after it.
        since[key] += 1
        arriving += event(key)
        names = [bytes(name).decode() for name in command[1:]]  # type: ignore[arg-type]
        arriving += b"*%d\r\n" % len(names) + b"".join(value(name.encode()) for name in names)
        expected += [(name, since[name]) for name in names]
        since |= dict.fromkeys(names, 0)
        since[key] += 1
        arriving += event(key)
    deliver()
    assert [(reading.key.decode(), reading.events) for reading in readings] == expected
    assert all(reading.raw == reading.key for reading in readings)


def test_keys_that_waited_longest_are_read_first() -> None:
    inbox = Inbox(batch=2)
    for name in (b"a", b"b", b"c", b"a"):
        inbox.note(b"__keyspace@0__:" + name, NOW)
    assert inbox.next_command() == ("MGET", b"a", b"b")
    assert inbox.next_command() is None, "one reading at a time"
    inbox.take([None, b"1"])
    assert inbox.next_command() == ("MGET", b"c")


def test_what_no_event_woke_is_read_upon_subscribing() -> None:
    inbox = Inbox()
    inbox.wake([b"a", b"b"])
    inbox.note(b"__keyspace@0__:b", NOW)
    inbox.next_command()
    first, second = inbox.take([b"1", b"2"])
    assert (first.woken_by, first.events) == (WokenBy.SUBSCRIPTION, 0)
    assert (second.woken_by, second.events) == (WokenBy.EVENT, 1)


def test_after_a_loss_events_still_count_but_tell_no_time() -> None:
    inbox = Inbox()
    inbox.note(b"__keyspace@0__:a", NOW)
    assert inbox.next_command()
    inbox.disconnected()
    assert inbox.next_command() == ("MGET", b"a"), "what was under way is asked for again"
    (reading,) = inbox.take([b"1"])
    assert (reading.events, reading.seen) == (1, None)


def test_memory_is_bounded_by_keys_and_what_is_over_is_counted() -> None:
    inbox = Inbox(most_keys=3)
    for name in range(5):
        for _ in range(1000):
            inbox.note(b"__keyspace@0__:%d" % name, NOW)
    assert (inbox.events, inbox.passed_over) == (3000, 2000)
    assert inbox.next_command() == ("MGET", b"0", b"1", b"2")


def test_an_error_for_the_whole_reading_is_raised() -> None:
    inbox = Inbox()
    inbox.wake([b"a"])
    inbox.next_command()
    with pytest.raises(redis.ResponseError):
        inbox.take(redis.ResponseError("x"))


def test_patterns_are_told_from_keys() -> None:
    watched = Watched.of(["a", "b*", "c[12]"])
    assert watched.channels == ("__keyspace@0__:a",)
    assert watched.channel_patterns == ("__keyspace@0__:b*", "__keyspace@0__:c[12]")
    assert not is_pattern("a.b")


@contextmanager
def fake_server(serve: Callable[[socket.socket], None]) -> Iterator[Node]:
    """Accepts one connection, has it served, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Node("fake", "127.0.0.1", listening.getsockname()[1])
        thread.join(5)


class Faces:
    """The same things done by both kinds of link."""

    def call_blocking(self, node: Node, ping_only: bool = False) -> Any:
        link = Link(node, SETTINGS, "test")
        try:
            while ping_only:
                link.wait()
            return link.call(("GET", "key"))
        finally:
            link.close()

    def call_async(self, node: Node, ping_only: bool = False) -> Any:
        async def call() -> Any:
            link = await AsyncLink.connect(node, SETTINGS, "test")
            try:
                while ping_only:
                    await link.wait()
                return await link.call(("GET", "key"))
            finally:
                link.close()

        return uvloop.run(call())


both_faces = pytest.mark.parametrize("face", ["blocking", "async"])


def call(face: str, node: Node, *, ping_only: bool = False) -> Any:
    return getattr(Faces(), f"call_{face}")(node, ping_only)


@both_faces
def test_a_reply_in_pieces(face: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(GREETED)
        connection.recv(4096)
        for byte in EVENT + bulk(b"held"):
            connection.sendall(bytes([byte]))
        connection.recv(4096)

    with fake_server(serve) as node:
        assert call(face, node) == b"held"


@both_faces
def test_an_error_reply_is_an_error_with_its_words(face: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(GREETED)
        connection.recv(4096)
        connection.sendall(b"-LOADING the dataset\r\n")
        connection.recv(4096)

    with fake_server(serve) as node, pytest.raises(redis.BusyLoadingError, match="LOADING the dataset"):
        call(face, node)


@both_faces
@pytest.mark.parametrize("greeting", [b"-NOAUTH x\r\n", b"%0\r\n-NOPERM x\r\n", b"HTTP/1.1 400\r\n\r\n", b"\xff\xff"])
def test_a_greeting_that_goes_wrong(face: str, greeting: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(greeting)
        connection.recv(4096)

    with fake_server(serve) as node, pytest.raises(redis.RedisError):
        call(face, node)


@both_faces
def test_a_server_that_says_nothing(face: str) -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    began = time.monotonic()
    with fake_server(serve) as node, pytest.raises((TimeoutError, asyncio.TimeoutError)):
        call(face, node)
    assert time.monotonic() - began < 5


@both_faces
def test_a_silence_is_tested_and_then_it_is_the_end(face: str) -> None:
    received = []

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(GREETED)
        while data := connection.recv(4096):
            received.append(data)

    began = time.monotonic()
    with fake_server(serve) as node, pytest.raises(SilentNodeError, match="no answer to PING within"):
        call(face, node, ping_only=True)
    assert 0.3 < time.monotonic() - began < 5
    assert received == [b"*1\r\n$4\r\nPING\r\n"]


@both_faces
@pytest.mark.parametrize(("events", "is_slow"), [(10, False), (2000, True)])
def test_only_who_is_behind_is_a_slow_consumer(face: str, events: int, is_slow: bool) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(GREETED)
        connection.recv(4096)
        connection.sendall(EVENT * events)

    with fake_server(serve) as node, pytest.raises((redis.ConnectionError, ConnectionError)) as caught:
        call(face, node)
    assert isinstance(caught.value, SlowConsumerError) == is_slow
