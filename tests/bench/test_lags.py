from __future__ import annotations

import json
from array import array
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from bench.figures import Lags, Spread, nearest_rank
from bench.lags import NEVER, Plan, delays, handled
from bench.record import NO_KEY, Record, Summary
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.load_plan import Plan as LoadPlan

START = 1_700_000_000_000_000_000
MS = 1_000_000
SUMMARY = Summary(events=0, missed=0, handled=0, cpu_s=0.0, ended_ns=START + 1000 * MS)


def record(*rows: tuple[int, int, int, int, int]) -> Record:
    return Record(SUMMARY, np.array(rows, dtype=np.int64).reshape(-1))


def test_writes_are_intended_when_the_generator_intends_them() -> None:
    theirs = LoadPlan(333.3, 7, 0, 10, "load:", ("one",), START)
    ours = Plan(333.3, 7, theirs.total, START).intended_ns()
    assert [theirs.due_ns(number) for number in range(theirs.total)] == pytest.approx(ours.tolist(), abs=1)


@given(st.integers(1, 12), st.integers(1, 200), st.randoms())
def test_every_write_gets_the_time_of_the_row_that_covers_it(keys: int, writes: int, random: object) -> None:
    plan = Plan(1000, keys, writes, START)
    rows, expected = [], {}
    for key in range(min(keys, writes)):
        last = (writes - key - 1) // keys + 1
        seq = 1
        while seq <= last:
            end = min(last, seq + random.randint(0, 3))  # type: ignore[attr-defined]
            done = START + random.randint(0, 10**9)  # type: ignore[attr-defined]
            rows.append((key, seq, end, done - 5, done))
            for each in range(seq, end + 1):
                expected[(each - 1) * keys + key] = (done, done - 5 if each == end else NEVER)
            seq = end + 1
    random.shuffle(rows)  # type: ignore[attr-defined]
    found = handled(plan, record(*rows))
    assert found.unhandled == 0
    assert list(zip(found.done_ns.tolist(), found.seen_ns.tolist(), strict=True)) == [
        expected[number] for number in range(writes)
    ]


def test_events_without_keys_are_counted_in_the_order_of_writes() -> None:
    found = handled(Plan(1000, 3, 5, START), record((NO_KEY, 1, 2, 10, 10), (NO_KEY, 3, 4, 20, 20)))
    assert found.done_ns.tolist() == [10, 10, 20, 20, NEVER]
    assert found.seen_ns.tolist() == [10, 10, 20, 20, NEVER]
    assert found.unhandled == 1


def test_the_first_handling_of_a_write_counts() -> None:
    found = handled(Plan(1000, 1, 2, START), record((0, 1, 1, 10, 11), (0, 1, 2, 20, 21)))
    assert found.done_ns.tolist() == [11, 21]


def test_a_row_of_nothing_is_nothing() -> None:
    assert handled(Plan(1000, 1, 1, START), record((0, 5, 4, 10, 11))).unhandled == 1
    assert handled(Plan(1000, 1, 1, START), record()).unhandled == 1


@pytest.mark.parametrize("row", [(0, 1, 3, 0, 0), (2, 1, 1, 0, 0), (0, 0, 1, 0, 0)])
def test_writes_that_were_never_planned_are_refused(row: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="never planned"):
        handled(Plan(1000, 2, 4, START), record(row))


def test_lags_are_counted_from_the_intended_time_and_after_the_warm_up() -> None:
    # A write each 10 ms; the first two are the warm-up's.
    plan = Plan(100, 1, 5, START)
    times = handled(plan, record(*((0, n + 1, n + 1, START + n * 10 * MS + 1, START + 40 * MS) for n in range(5))))
    late = delays(plan, times, START + 50 * MS, warmup_s=0.02, in_time_ns=10 * MS)
    assert late.until_done.tolist() == [20 * MS, 10 * MS, 0]
    assert late.until_seen.tolist() == [1, 1, 1]
    assert late.in_time == 2


def test_what_is_never_handled_counts_as_late_whenever_the_contender_ended() -> None:
    plan = Plan(100, 1, 2, START)
    late = delays(plan, handled(plan, record((0, 1, 1, START, START))), START + 11 * MS, 0, in_time_ns=100 * MS)
    assert late.until_done.tolist() == [0, 1 * MS]
    assert late.in_time == 1
    assert len(late.until_seen) == 1


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = array("q", [3, 1, 2, START, START + 1, NO_KEY, 1, 9, START, START])
    path = tmp_path / "record"
    path.write_bytes(json.dumps(asdict(SUMMARY)).encode() + b"\n" + rows.tobytes())
    found = Record.read(path)
    assert found.summary == SUMMARY
    assert [column.tolist() for column in found.columns()][:3] == [[3, NO_KEY], [1, 1], [2, 9]]


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(fraction: float, expected: int) -> None:
    assert nearest_rank(np.arange(1, 101), fraction) == expected


def test_a_distribution_needs_no_order() -> None:
    assert Lags.of(np.array([5, 1, 3])) == Lags(3, 3, 5, 5, 5)
    assert Lags.of(np.array([], dtype=np.int64)) is None


def test_a_round_that_measured_nothing_is_left_out_of_the_spread() -> None:
    assert Spread.of([3.0, None, 1.0]) == Spread(2.0, 1.0, 3.0, (3.0, None, 1.0))
    assert Spread.of([None]) is None
