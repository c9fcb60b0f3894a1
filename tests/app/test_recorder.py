"""What a recorder keeps of the run and of the last minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.histogram import HIGHEST_NS, Histogram
from keydb_observer.messages import Distribution
from keydb_observer.recorder import Recorder, distribution_of

MILLISECOND = 1_000_000


class Clock:
    """Stands still until it is told."""

    def __init__(self, now: float = 1000.1) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_nothing_yet() -> None:
    recorder = Recorder()
    assert recorder.run() == recorder.minute() == Distribution()


def test_run_and_minute() -> None:
    clock = Clock()
    recorder = Recorder(clock)
    recorder.record(900 * MILLISECOND)
    clock.now += 30
    for _ in range(99):
        recorder.record(MILLISECOND)
    assert recorder.minute() == recorder.run()
    assert recorder.run() == distribution_of(recorder.histogram)
    clock.now += 29.9
    assert recorder.minute().count == 100
    clock.now += 0.2
    assert recorder.minute().count == 99
    assert recorder.minute().max_ns == MILLISECOND
    assert recorder.run().count == 100
    assert recorder.run().max_ns == 900 * MILLISECOND
    clock.now += 30
    assert recorder.minute() == Distribution()
    recorder.record(2 * MILLISECOND)
    assert recorder.minute().count == 1
    clock.now += 100_000
    recorder.record(3 * MILLISECOND)
    assert recorder.minute().max_ns == 3 * MILLISECOND
    assert recorder.run().count == 102


def test_no_percentile_is_above_the_maximum() -> None:
    recorder = Recorder()
    recorder.record(1_000_001)
    assert recorder.histogram.percentile(50) == 1_000_447
    assert recorder.run() == Distribution(1, *[1_000_001] * 5)


def test_negative_differences_are_counted() -> None:
    recorder = Recorder()
    for difference in (-5, -1, 0, 7):
        recorder.record(difference)
    assert recorder.negative == 2
    assert recorder.run() == Distribution(4, 0, 7, 7, 7, 7)


def test_published_figures_can_be_read() -> None:
    """A difference may be anything where a value's timestamp is a stranger's."""
    assert distribution_of(Histogram()) == Distribution()
    histogram = Histogram()
    histogram.record(2**63)
    assert distribution_of(histogram) == Distribution(1, *[HIGHEST_NS] * 5)


@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(-MILLISECOND, 10_000 * MILLISECOND)), max_size=60),
    st.floats(0, 1e9),
)
def test_minute_is_the_last_55_to_60_seconds(steps: list[tuple[float, int]], began: float) -> None:
    clock = Clock(began)
    recorder = Recorder(clock)
    recorded: list[tuple[float, int]] = []
    for pause, difference in steps:
        clock.now += pause
        recorder.record(difference)
        recorded.append((clock.now, max(difference, 0)))
    certain, possible = ([value for at, value in recorded if clock.now - at < span] for span in (54.9, 60.1))
    minute = recorder.minute()
    assert len(certain) <= minute.count <= len(possible)
    assert max(certain, default=0) <= (minute.max_ns or 0) <= max(possible, default=0)
    assert recorder.run().count == len(recorded)
    assert recorder.negative == sum(difference < 0 for _, difference in steps)
    assert len(recorder._before) < 12
