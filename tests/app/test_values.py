"""What is counted and what is summed up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.latency import LatencyWindow, percentile
from keydb_observer.messages import SharedValue
from keydb_observer.sequence import Observation, SequenceTracker, Sighting


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
