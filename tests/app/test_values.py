"""What travels, what is counted and what is summed up: the parts without input or output."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.duration import age_text, latency_text, seconds_text, timestamp_text
from keydb_observer.latency import LatencyWindow, percentile
from keydb_observer.messages import Handshake, ListenerStats, MalformedError, SharedValue, WokenBy
from keydb_observer.sequence import Observation, SequenceTracker, Sighting
from keydb_observer.writer import clock_offset_ns, round_trip_ns

SECOND = 1_000_000_000

positive = st.integers(1, 2**63 - 1)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
values = st.builds(SharedValue, writer=names, epoch=positive, seq=positive, t1_ns=positive)
optional = st.none() | st.integers(-(2**63) + 1, 2**63 - 1)
stats = st.builds(
    ListenerStats,
    count=st.integers(0, 2**63 - 1),
    missed=st.integers(0, 2**63 - 1),
    p50_ns=optional,
    p99_ns=optional,
    max_ns=optional,
)
handshakes = st.builds(
    Handshake,
    listener=names,
    host=names,
    writer=names,
    epoch=positive,
    seq=positive,
    t1_ns=positive,
    t2_ns=positive,
    t3_ns=positive,
    woken_by=st.sampled_from(WokenBy),
    stats=stats,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_value_survives_the_way(value: SharedValue) -> None:
    encoded = value.encode()
    assert b"\n" not in encoded
    assert SharedValue.parse(encoded) == value


@given(handshakes)
def test_handshake_survives_the_way(handshake: Handshake) -> None:
    encoded = handshake.encode()
    assert b"\n" not in encoded
    assert Handshake.parse(encoded) == handshake


def test_names_of_the_fields_are_an_interface() -> None:
    value = json.loads(SharedValue("node1", 1, 2, 3).encode())
    assert value == {"writer": "node1", "epoch": 1, "seq": 2, "t1_ns": 3}
    statistics = ListenerStats(1, 2, 3, 4, 5)
    handshake = Handshake("listener-sync", "node2", "node1", 1, 2, 3, 4, 5, WokenBy.EVENT, statistics)
    assert json.loads(handshake.encode()) == {
        "listener": "listener-sync",
        "host": "node2",
        "writer": "node1",
        "epoch": 1,
        "seq": 2,
        "t1_ns": 3,
        "t2_ns": 4,
        "t3_ns": 5,
        "woken_by": "event",
        "stats": {"count": 1, "missed": 2, "p50_ns": 3, "p99_ns": 4, "max_ns": 5},
    }


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"garbage", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"1" * 5000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"42", "it is not a JSON object"),
        (b"{}", "writer is not there"),
        (b'{"writer":1}', "writer is not a name"),
        (b'{"writer":""}', "writer is not a name"),
        (rb'{"writer":"a\nb"}', "writer is not a name"),
        (b'{"writer":"a"}', "epoch is not there"),
        (b'{"writer":"a","epoch":1.0}', "epoch is not an integer"),
        (b'{"writer":"a","epoch":true}', "epoch is not an integer"),
        (b'{"writer":"a","epoch":"1"}', "epoch is not an integer"),
        (b'{"writer":"a","epoch":1,"seq":0}', "seq is not an integer from 1"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":9223372036854775808}', "t1_ns is not an integer"),
    ],
)
def test_malformed_value_says_why(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=f"^{reason}"):
        SharedValue.parse(raw)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Handshake)])
def test_handshake_needs_every_field(field: str) -> None:
    whole = Handshake("l", "h", "w", 1, 2, 3, 4, 5, WokenBy.EVENT, ListenerStats(1, 2, 3, 4, 5))
    content = json.loads(whole.encode())
    del content[field]
    with pytest.raises(MalformedError, match=f"{field} is not there"):
        Handshake.parse(json.dumps(content))
    content[field] = []
    with pytest.raises(MalformedError, match=f"^{field} is n"):
        Handshake.parse(json.dumps(content))


@pytest.mark.parametrize("parse", [SharedValue.parse, Handshake.parse])
@given(raw=st.binary() | anything.map(json.dumps))
def test_parsing_whatever_there_is_raises_nothing_else(
    parse: Callable[[bytes | str], object], raw: bytes | str
) -> None:
    with pytest.raises(MalformedError):
        parse(raw)


def test_a_later_field_does_not_disturb() -> None:
    assert SharedValue.parse(b'{"writer":"a","epoch":1,"seq":2,"t1_ns":3,"new":4}') == SharedValue("a", 1, 2, 3)


def seen(tracker: SequenceTracker, seq: int, epoch: int = 1, writer: str = "w") -> Observation:
    return tracker.observe(SharedValue(writer, epoch, seq, 1))


def test_sightings() -> None:
    tracker = SequenceTracker()
    assert seen(tracker, 5) == Observation(Sighting.FIRST), "nobody was there to miss 1 to 4"
    assert seen(tracker, 6) == Observation(Sighting.NEXT)
    assert seen(tracker, 6) == Observation(Sighting.REPEAT)
    assert seen(tracker, 10) == Observation(Sighting.NEXT, missed=3)
    assert seen(tracker, 7) == Observation(Sighting.LATE)
    assert seen(tracker, 3, epoch=2) == Observation(Sighting.NEW_EPOCH, missed=2)
    assert seen(tracker, 10) == Observation(Sighting.LATE)
    assert tracker.missed == 5


def test_epoch_is_no_order() -> None:
    """The clock of a board without a battery may be set back while its writer restarts."""
    tracker = SequenceTracker()
    seen(tracker, 1, epoch=1000)
    assert seen(tracker, 1, epoch=5) == Observation(Sighting.NEW_EPOCH)
    assert seen(tracker, 2, epoch=5) == Observation(Sighting.NEXT)


def test_one_of_two_writers_stops() -> None:
    tracker = SequenceTracker()
    seen(tracker, 1, writer="a")
    assert seen(tracker, 1, writer="b").sighting is Sighting.NEW_EPOCH
    assert seen(tracker, 2, writer="a").sighting is Sighting.NEW_EPOCH, "going on is not late"
    assert seen(tracker, 3, writer="a").sighting is Sighting.NEXT
    assert tracker.missed == 0


@given(st.sets(st.integers(1, 300), min_size=1), st.data())
def test_seen_and_missed_is_written(subset: set[int], data: st.DataObject) -> None:
    """Of one epoch from its first write on, in any order and with any repeats."""
    tracker = SequenceTracker()
    seen(tracker, 1, epoch=99)
    order = data.draw(st.permutations(sorted(subset) + sorted(subset)[:3]))
    news = [seq for seq in order if seen(tracker, seq).sighting.is_news]
    assert news == sorted(set(news)), "a number is news once, and never after a later one"
    assert len(news) + tracker.missed == max(subset)


def test_memory_for_epochs_is_bounded() -> None:
    tracker = SequenceTracker()
    for epoch in range(1, 1000):
        seen(tracker, 1, epoch=epoch)
    assert len(tracker._last_seq) == SequenceTracker.REMEMBERED_EPOCHS


def test_percentile_is_the_nearest_rank() -> None:
    assert [percentile([15, 20, 35, 40, 50], percent) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]
    assert percentile(range(1, 101), 99) == 99
    assert percentile([7], 1) == percentile([7], 99) == 7


@given(st.lists(st.integers(), min_size=1), st.integers(1, 100))
def test_percentile_is_what_it_says(differences: list[int], percent: int) -> None:
    ordered = sorted(differences)
    found = percentile(ordered, percent)
    assert 100 * sum(value <= found for value in ordered) >= percent * len(ordered)
    assert 100 * sum(value < found for value in ordered) < percent * len(ordered)


@pytest.mark.parametrize(("ordered", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_percentile_of_nothing(ordered: list[int], percent: int) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(ordered, percent)


def test_window_is_bounded_and_sums_up_once_a_second() -> None:
    now = 100.0
    window = LatencyWindow(size=3, refresh_s=1.0, monotonic=lambda: now)
    assert (window.summary().count, window.summary().p50_ns) == (0, None)
    for difference in (900, 10, 20):
        window.add(difference)
    assert (window.summary().p50_ns, window.summary().p99_ns) == (20, 900)
    window.add(30)
    summary = window.summary()
    assert (summary.count, summary.max_ns, summary.p99_ns) == (4, 900, 900), "percentiles are not sorted anew yet"
    now += 1.0
    assert window.summary().p99_ns == 30, "the first difference has left the window"
    assert window.summary().max_ns == 900


@pytest.mark.parametrize(
    ("instant_ns", "text"),
    [
        (1_725_543_675_123_456_789, "1725543675.123456789"),
        (1_725_543_675_000_000_001, "1725543675.000000001"),
        (1, "0.000000001"),
    ],
)
def test_timestamp_keeps_every_digit(instant_ns: int, text: str) -> None:
    assert timestamp_text(instant_ns) == text


@pytest.mark.parametrize(
    ("difference_ns", "text"),
    [
        (512_000, "0.000512"),
        (512_499, "0.000512"),
        (512_500, "0.000513"),
        (-1_500_000_000, "-1.500000"),
        (-400, "0.000000"),
        (12_345 * SECOND, "12345.000000"),
    ],
)
def test_difference_has_six_digits(difference_ns: int, text: str) -> None:
    assert seconds_text(difference_ns) == text


def test_table_texts() -> None:
    assert [latency_text(ns) for ns in (512_000, -2_000_000, 1_500_000_000)] == ["0.512 ms", "-2.000 ms", "1.500 s"]
    ages = (0.04, 9.9, 45, 300, 10_800, 400_000)
    assert [age_text(int(age * SECOND)) for age in ages] == ["0.0 s", "9.9 s", "45 s", "5 min", "3 h", "5 d"]


@given(
    there=st.integers(0, SECOND), back=st.integers(0, SECOND), held=st.integers(0, SECOND),
    offset=st.integers(-3600 * SECOND, 3600 * SECOND),
)  # fmt: skip
def test_round_trip_and_offset(there: int, back: int, held: int, offset: int) -> None:
    """``offset`` is how far the listener's clock is ahead, ``there`` and ``back`` are the true one-way delays."""
    t1 = 1_700_000_000 * SECOND
    t2 = t1 + there + offset
    t3 = t2 + held
    t4 = t3 - offset + back
    stats = ListenerStats(0, 0, None, None, None)
    handshake = Handshake("l", "h", "w", 1, 1, t1, t2, t3, WokenBy.EVENT, stats)
    round_trip = round_trip_ns(handshake, t4)
    assert round_trip == there + back
    assert abs(clock_offset_ns(handshake, t4) - offset) <= round_trip // 2 + 1
