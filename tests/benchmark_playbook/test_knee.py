"""The search for both listeners at once, over listeners whose limits are known."""

from __future__ import annotations

from typing import Any

import pytest
from bench.search import Found, Outcome
from bench_knee import Search, outcome


def window(rate: int, holds: dict[str, bool], *, kept_up: bool = True) -> dict[str, Any]:
    def seen(good: bool) -> dict[str, Any]:
        return {"missed": 0, "accounted": rate, "in_time": rate if good else rate // 2}

    listeners = {name: seen(good) for name, good in holds.items()}
    return {"measured": rate, "acknowledged": rate, "failed": 0, "kept_up": kept_up, "listeners": listeners}


class Rig:
    """``limits``: what each listener takes, and the generator."""

    def __init__(self, sync: int, unsync: int, generator: int = 10**9) -> None:
        self.limits = {"sync": sync, "async": unsync}
        self.generator = generator
        self.rates: list[int] = []

    def measure(self, rate: int) -> dict[str, Any]:
        self.rates.append(rate)
        holds = {name: rate <= limit and rate <= self.generator for name, limit in self.limits.items()}
        return window(rate, holds, kept_up=rate <= self.generator)


@pytest.mark.parametrize(("sync", "unsync"), [(5_000, 50_000), (50_000, 5_000), (20_000, 20_000), (300, 90_000)])
def test_each_listener_is_found_by_its_own_limit(sync: int, unsync: int) -> None:
    rig = Rig(sync, unsync)
    found = Search(rig.measure, {}, 16_000, 1.2).run()
    for name, limit in rig.limits.items():
        rate = found[name].rate
        assert rate
        assert limit / 1.2 <= rate <= limit
        assert not found[name].is_at_least


def test_a_window_answers_both() -> None:
    rig = Rig(20_000, 20_000)
    Search(rig.measure, {}, 16_000, 1.2).run()
    alone = len(rig.rates)
    # The second search asks for the same rates as the first one, and none is measured again for it.
    assert alone == len(set(rig.rates)) + rig.rates.count(32_000) - 1


def test_where_the_generator_ends_it_is_a_lower_bound() -> None:
    found = Search(Rig(10**6, 10**6, generator=40_000).measure, {}, 16_000, 1.2).run()
    assert all(each.is_at_least and each.limit is Outcome.GENERATOR_BEHIND for each in found.values())


def test_a_later_round_only_confirms() -> None:
    rig = Rig(20_000, 40_000)
    found = Search(rig.measure, {"sync": Found(19_000), "async": Found(38_000)}, 16_000, 1.2).run()
    assert (found["sync"].rate, found["async"].rate) == (19_000, 38_000)
    assert len(rig.rates) == 4


def test_a_late_generator_is_no_excuse_where_the_other_listener_kept_up() -> None:
    made = window(1000, {"sync": False, "async": True}, kept_up=False)
    assert outcome(made, "sync") is Outcome.TOO_FAST
    assert outcome(window(1000, {"sync": False, "async": False}, kept_up=False), "sync") is Outcome.GENERATOR_BEHIND


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Outcome.HOLDS),
        ({"missed": 1}, Outcome.TOO_FAST),
        ({"accounted": 999}, Outcome.TOO_FAST),
        ({"in_time": 989}, Outcome.TOO_FAST),
        ({"in_time": 990}, Outcome.HOLDS),
    ],
)
def test_a_rate_holds_when_all_is_seen_and_almost_all_in_time(changes: dict[str, int], expected: Outcome) -> None:
    made = window(1000, {"sync": True, "async": True})
    made["listeners"]["sync"] |= changes
    assert outcome(made, "sync") is expected
    assert outcome(made, "async") is Outcome.HOLDS
