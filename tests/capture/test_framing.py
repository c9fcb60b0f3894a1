"""TLS records, from wherever a capture begins, with whatever gaps; and what only looks like them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from keydb_capture.framing import frame
from keydb_capture.packets import End, Segment
from keydb_capture.resp import is_resp
from keydb_capture.streams import Chunk, Direction

HERE, THERE = End("10.0.0.1", 40_000), End("10.0.0.2", 6379)


def records(lengths: list[int], seed: int) -> bytes:
    """Records whose contents are as good as encrypted."""
    content = random.Random(seed)  # noqa: S311 - no secret
    return b"".join(b"\x17\x03\x03" + length.to_bytes(2, "big") + content.randbytes(length) for length in lengths)


def segment(sequence: int, payload: bytes, *, is_syn: bool = False) -> Segment:
    return Segment(0, 0, HERE, THERE, 0, sequence % 2**32, is_syn, False, False, None, None, None, payload)


@given(some.lists(some.integers(1, 17_000), min_size=1, max_size=8), some.integers(), some.data())
@settings(max_examples=60, deadline=None)
def test_records_are_records_from_wherever_they_are_seen(lengths: list[int], seed: int, data: some.DataObject) -> None:
    stream = records(lengths, seed)
    start = data.draw(some.integers(0, len(stream) - 1))
    framing = frame([Chunk(start, stream[start:])], begins=start == 0)
    assert framing.foreign == b""
    assert framing.records <= len(lengths)
    if start == 0:
        assert framing.records == len(lengths)
        assert framing.unknown_bytes == 0


@given(some.lists(some.integers(1, 3000), min_size=2, max_size=8), some.integers(), some.data())
@settings(max_examples=60, deadline=None)
def test_records_are_records_around_a_gap(lengths: list[int], seed: int, data: some.DataObject) -> None:
    stream = records(lengths, seed)
    first, second = sorted(data.draw(some.tuples(*[some.integers(0, len(stream))] * 2)))
    chunks = [Chunk(at, part) for at, part in ((0, stream[:first]), (second, stream[second:])) if part]
    assert frame(chunks, begins=first > 0).foreign == b""


@pytest.mark.parametrize(
    ("stream", "begins"),
    [
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", True),
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", False),
        (b"v" * 40_000, False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True),
        (b"\x17\x03\x03\x00\x00", True),
        (b"\x17\x03\x09\x00\x05aaaaa", True),
        (b"\x17\x03\x03\xff\xffaaaaa", True),
        (records([5], 1) + b"PING\r\n", True),
        (records([50], 1) + b"PING\r\n", False),
        (b"\x16", True),
    ],
)
def test_what_is_no_record_is_foreign(stream: bytes, begins: bool) -> None:
    framing = frame([Chunk(0, stream)], begins=begins)
    assert bool(framing.foreign) == (stream != b"\x16"), "the first byte of a record that is cut is no more than that"
    assert not framing.is_tls


@pytest.mark.parametrize("first", [0, 1000, 2**32 - 3, 2**32 - 1])
def test_segments_in_any_order_with_any_overlap_are_one_stream(first: int) -> None:
    data = bytes(range(100))
    pieces = [(20, 50), (0, 10), (5, 25), (50, 60), (20, 50), (70, 100)]
    direction = Direction(HERE, THERE)
    direction.add(segment(first - 1, b"", is_syn=True))
    for start, end in pieces:
        direction.add(segment(first + start, data[start:end]))
    assert direction.begins
    assert direction.chunks() == [Chunk(0, data[:60]), Chunk(70, data[70:])]


def test_what_comes_late_from_before_the_first_segment_has_its_place() -> None:
    direction = Direction(HERE, THERE)
    direction.add(segment(10, b"world"))
    direction.add(segment(5, b"hello"))
    assert not direction.begins
    assert direction.chunks() == [Chunk(-5, b"helloworld")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"*1\r\n$4\r\nPING\r\n", True),
        (b"anything *2\r\n$3\r\nGET\r\n", True),
        (b"ping\r\n", True),
        (b"AUTH user password\n", True),
        (b"+PONG\r\n", True),
        (b":12\r\n", True),
        (b"$-1\r\n", True),
        (b"*0\r\n", True),
        (b"-DENIED Redis is running in protected mode " + b"x" * 2000, True),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"HTTP/1.1 400 Bad Request\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"pinging\r\n", False),
        (b"$ echo\r\n", False),
        (records([300], 3), False),
        (b"", False),
    ],
)
def test_what_is_the_engines_own_protocol(data: bytes, expected: bool) -> None:
    assert is_resp(data) is expected
