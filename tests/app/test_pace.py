"""When the journal gets summaries, and when lines again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.pace import Pace, Switch


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Journal:
    """A listener that logs by the pace; counts the lines of each second."""

    def __init__(self, lines_per_s: float) -> None:
        self.clock = Clock()
        self.pace = Pace(lines_per_s, self.clock)
        self.lines: dict[int, int] = {}

    def events(self, count: int) -> int:
        """Returns the number of lines."""
        self.pace.note(count)
        lines = 0 if self.pace.is_summing else count
        second = int(self.clock.now)
        self.lines[second] = self.lines.get(second, 0) + lines
        return lines

    def second(self, events: int) -> Switch | None:
        """A second with so many events, one after the other, and a tick at its end."""
        for _ in range(events):
            self.events(1)
        self.clock.now += 1.0
        return self.pace.tick()


def test_slow_events_get_their_lines() -> None:
    journal = Journal(20)
    assert [journal.second(20) for _ in range(10)] == [None] * 10
    assert sum(journal.lines.values()) == 200


def test_there_and_back() -> None:
    journal = Journal(20)
    assert journal.second(21) is Switch.TO_SUMMARIES
    assert journal.lines[1000] == 20
    assert [journal.second(events) for events in (21, 10, 9, 9, 10, 9, 9)] == [None] * 7
    assert journal.events(1) == 0
    assert journal.second(8) is Switch.TO_LINES
    assert journal.second(20) is None
    assert journal.second(21) is Switch.TO_SUMMARIES


def test_a_burst_is_cut_off_within_its_second() -> None:
    journal = Journal(20)
    assert journal.events(1000) == 0
    assert journal.pace.tick() is Switch.TO_SUMMARIES
    assert journal.pace.tick() is None


def test_silence_is_quiet() -> None:
    journal = Journal(20)
    journal.events(100)
    journal.clock.now += 100
    assert journal.pace.tick() is Switch.TO_SUMMARIES, "each change is told, in order"
    assert journal.pace.tick() is Switch.TO_LINES
    assert journal.pace.tick() is None


def test_it_does_not_come_back_into_the_next_burst() -> None:
    journal = Journal(20)
    assert journal.second(100) is Switch.TO_SUMMARIES
    journal.clock.now += 10
    journal.events(15)
    assert journal.pace.tick() is None


def test_limits_at_the_ends() -> None:
    never = Journal(0)
    assert never.second(0) is None
    assert never.second(1) is Switch.TO_SUMMARIES
    assert [never.second(0) for _ in range(10)] == [None] * 10
    always = Journal(math.inf)
    assert always.second(10_000) is None
    assert Journal(0.5).second(1) is Switch.TO_SUMMARIES


@pytest.mark.parametrize("lines_per_s", [3, 20, 7.5])
@given(steps=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 30), st.booleans()), max_size=200))
def test_no_second_has_more_lines_than_said(lines_per_s: float, steps: list[tuple[int, int, bool]]) -> None:
    """Pauses are eighths of a second, which floating-point numbers hold exactly."""
    journal = Journal(lines_per_s)
    changes: list[Switch] = []
    for pause, events, ticks in steps:
        journal.clock.now += pause / 8
        if ticks:
            was_summing = journal.pace.is_summing
            change = journal.pace.tick()
            if change:
                changes.append(change)
            assert journal.pace.is_summing is (was_summing and change is not Switch.TO_LINES)
        journal.events(events)
    assert max(journal.lines.values(), default=0) <= lines_per_s
    assert changes == [Switch.TO_SUMMARIES, Switch.TO_LINES] * (len(changes) // 2) + [Switch.TO_SUMMARIES] * (
        len(changes) % 2
    )
