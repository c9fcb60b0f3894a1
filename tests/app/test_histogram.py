"""The histogram, beside the library whose form it shares, and by what its figures mean."""

from __future__ import annotations

import base64
import contextlib
import math
import struct
import threading
import zlib
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from keydb_observer.histogram import HIGHEST_NS, Histogram

# As many of each magnitude; uniform integers would nearly all be about as large as the largest.
magnitudes = st.integers(0, 41).flatmap(lambda bits: st.integers(0, min(2**bits, HIGHEST_NS)))
recordings = st.lists(st.tuples(magnitudes, st.integers(1, 1000)), min_size=1, max_size=60)
percents = st.integers(0, 100_000).map(lambda thousandths: thousandths / 1000)


def histogram_of(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def recorded(recording: list[tuple[int, int]]) -> Histogram:
    histogram = Histogram()
    for value, count in recording:
        histogram.record(value, count)
    return histogram


def the_librarys(recording: list[tuple[int, int]]) -> Any:
    # It has no wheels for other machines.
    histogram = pytest.importorskip("hdrh.histogram").HdrHistogram(1, HIGHEST_NS, 3)
    for value, count in recording:
        assert histogram.record_value(value, count)
    return histogram


def rank_of(percent: float, count: int) -> int:
    """The nearest rank, in exact numbers."""
    return max(math.ceil(Fraction(str(percent)) * count / 100), 1)


@given(recordings, st.lists(percents, min_size=1, max_size=3))
def test_percentiles_are_the_librarys(recording: list[tuple[int, int]], wanted: list[float]) -> None:
    """The library for Python rounds half a rank up or down, the original in Java always up, and so do we.

    So it is asked for that rank.
    """
    ours, theirs = recorded(recording), the_librarys(recording)
    for percent in wanted:
        exact = 100 * rank_of(percent, ours.count) / ours.count if percent else 0
        assert ours.percentile(percent) == theirs.get_value_at_percentile(exact)


@given(recordings)
def test_the_library_reads_ours_and_we_read_the_librarys(recording: list[tuple[int, int]]) -> None:
    ours, theirs = recorded(recording), the_librarys(recording)
    assert type(theirs).decode(ours.encode()).equals(theirs)
    assert Histogram.decode(theirs.encode().decode()) == ours
    assert _content(ours.encode()) == _content(theirs.encode())


def _content(blob: str | bytes) -> bytes:
    """Without the ratio, for which the library once wrote something else."""
    content = zlib.decompress(base64.b64decode(blob)[8:])
    return content[:32] + content[40:]


@given(recordings, percents)
def test_percentile_is_what_it_says(recording: list[tuple[int, int]], percent: float) -> None:
    histogram = recorded(recording)
    found = histogram.percentile(percent)
    assert found is not None
    ordered = sorted(value for value, count in recording for _ in range(count))
    exact = ordered[rank_of(percent, len(ordered)) - 1]
    assert abs(found - exact) <= exact / 1000
    assert percent == 0 or found >= exact


@given(recordings)
def test_extremes_are_exact(recording: list[tuple[int, int]]) -> None:
    histogram = recorded(recording)
    values = [value for value, _ in recording]
    assert (histogram.min_ns, histogram.max_ns) == (min(values), max(values))
    assert histogram.count == sum(count for _, count in recording)


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1))
@example([-5])
@example([HIGHEST_NS])
@example([2**70])
def test_what_is_out_of_range_counts_as_its_end(values: list[int]) -> None:
    histogram = histogram_of(*values)
    within = [min(max(value, 0), HIGHEST_NS) for value in values]
    assert (histogram.min_ns, histogram.max_ns) == (min(within), max(within))
    assert histogram == histogram_of(*within)
    assert len(histogram._counts) <= 33_421


@given(recordings, recordings)
def test_adding_is_recording_both(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    both = recorded([*first, *second])
    total, total_of_packed = recorded(first), recorded(first)
    total.add(recorded(second))
    total_of_packed.add_packed(recorded(second).pack())
    for found in (total, total_of_packed):
        assert found == both
        assert (found.min_ns, found.max_ns) == (both.min_ns, both.max_ns)


@given(recordings, st.lists(magnitudes, min_size=1).map(sorted))
def test_buckets_hold_what_does_not_exceed_their_bound(recording: list[tuple[int, int]], bounds: list[int]) -> None:
    found = recorded(recording).buckets(bounds)
    assert found == sorted(found)
    for bound, count in zip(bounds, found, strict=True):
        at_least = sum(count for value, count in recording if value <= bound)
        at_most = sum(count for value, count in recording if value <= bound * 1.001)
        assert at_least <= count <= at_most


@given(recordings)
def test_total_is_close(recording: list[tuple[int, int]]) -> None:
    exact = sum(value * count for value, count in recording)
    assert abs(recorded(recording).total_ns - exact) <= exact / 1900 + 1


@given(recordings)
def test_text_survives_the_way(recording: list[tuple[int, int]]) -> None:
    histogram = recorded(recording)
    read = Histogram.decode(histogram.encode())
    assert read == histogram
    for ours, theirs in ((histogram.min_ns, read.min_ns), (histogram.max_ns, read.max_ns)):
        assert ours is not None
        assert theirs is not None
        assert abs(ours - theirs) <= ours / 1000


@pytest.mark.parametrize("count", [63, 64, 2**13, 2**55, 2**56, 2**62, 2**63 - 1])
def test_counts_of_any_size_survive(count: int) -> None:
    histogram = recorded([(0, count), (2, 1), (1_000_000, count)])
    read = Histogram.decode(histogram.encode())
    assert read == histogram
    assert read.percentile(100) == read.percentile(99) == 1_000_447


def test_a_count_too_large_to_write() -> None:
    with pytest.raises(ValueError, match="63 bits"):
        recorded([(0, 2**63)]).encode()


def test_the_empty_one() -> None:
    empty = Histogram()
    assert (empty.count, empty.total_ns, empty.min_ns, empty.max_ns) == (0, 0, None, None)
    assert empty.percentile(99) is None
    assert empty.percentiles([50, 99]) == [None, None]
    assert empty.buckets([1, 2]) == [0, 0]
    assert Histogram.decode(empty.encode()) == empty
    assert the_librarys([]).decode(empty.encode()).get_total_count() == 0
    assert empty != 0


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_no_such_percentile(percent: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        Histogram().percentile(percent)


def test_999_of_1000_is_no_more_than_that() -> None:
    """99.9 * 1000 / 100 is 999.0000000000001 in floating point."""
    assert histogram_of(*range(1, 1001)).percentile(99.9) == 999


def blob(
    numbers: bytes, *, cookie: int = 0x1C849313, length: int | None = None, offset: int = 0, digits: int = 3
) -> str:
    length = len(numbers) if length is None else length
    content = struct.pack(">IIiiqqd", cookie, length, offset, digits, 1, HIGHEST_NS, 1.0) + numbers
    return wrapped(zlib.compress(content))


def wrapped(stream: bytes, cookie: int = 0x1C849314, length: int | None = None) -> str:
    return base64.b64encode(struct.pack(">II", cookie, len(stream) if length is None else length) + stream).decode()


def test_blob_by_hand() -> None:
    """One empty bucket, three, 130 values of 4 ns."""
    assert Histogram.decode(blob(b"\x00\x05\x84\x02")) == recorded([(4, 130)])
    assert Histogram.decode(
        wrapped(zlib.compress(zlib.decompress(base64.b64decode(blob(b"\x02"))[8:])))
    ) == histogram_of(0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too short"),
        ("é", "ASCII"),
        ("no base64!", "base64"),
        ("AAAA", "too short"),
        (wrapped(b"", cookie=0x1C849302), "no compressed histogram"),
        (wrapped(b"abc", length=4), "no compressed histogram"),
        (wrapped(b"abc"), "incorrect header"),
        (wrapped(b""), "cut short"),
        (wrapped(zlib.compress(b"abc")), "too short"),
        (wrapped(zlib.compress(b"abc") + b"d"), "too long"),
        (wrapped(zlib.compress(bytes(10_000_000))), "too long"),
        (blob(b"", cookie=0x1C849301), "no histogram"),
        (blob(b"\x02", length=2), "no histogram"),
        (blob(b"", offset=1), "no histogram"),
        (blob(b"", digits=2), "2 digits"),
        (blob(b"\x84"), "cut short"),
        (blob(b"\xff" * 9), "more buckets"),
        (blob(b"\x99\x8a\x04\x02"), "more buckets"),
    ],
)
def test_foreign_text_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Histogram.decode(text)


@given(st.text() | st.binary().map(wrapped) | st.binary().map(zlib.compress).map(wrapped) | st.binary().map(blob))
def test_decoding_whatever_there_is_raises_nothing_else(text: str) -> None:
    with contextlib.suppress(ValueError):
        Histogram.decode(text)


def test_a_copy_is_taken_while_another_thread_records() -> None:
    histogram = Histogram()
    stop = threading.Event()

    def record() -> None:
        value = 0
        while not stop.is_set():
            value += 997
            histogram.record(value % 1_000_000_000)

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        counts = [histogram.copy().count for _ in range(500)]
    finally:
        stop.set()
        recorder.join()
    assert counts == sorted(counts)
    twin = histogram.copy()
    histogram.record(1)
    assert twin.count == histogram.count - 1
