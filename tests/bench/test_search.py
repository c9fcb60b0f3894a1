from __future__ import annotations

from collections.abc import Callable

import pytest
from bench.search import Found, Outcome, bisect, bracket, rounded, settle
from hypothesis import given
from hypothesis import strategies as st


class Listener:
    """Takes up to ``limit`` events/s, and keeps a list of what it was asked to take."""

    def __init__(self, limit: float, outcome: Outcome = Outcome.TOO_FAST) -> None:
        self.limit = limit
        self.outcome = outcome
        self.tried: list[int] = []

    def __call__(self, rate: int) -> Outcome:
        self.tried.append(rate)
        return Outcome.HOLDS if rate <= self.limit else self.outcome


def scripted(*outcomes: Outcome) -> Callable[[int], Outcome]:
    left = list(outcomes)
    return lambda _rate: left.pop(0)


@given(st.floats(150, 900_000), st.sampled_from([1000, 16_000, 700_000]))
def test_the_limit_is_found_to_the_precision_from_any_start(limit: float, start: int) -> None:
    listener = Listener(limit)
    found = bisect(listener, bracket(listener, start), 1.05)
    assert found.rate
    assert found.rate <= limit <= found.rate * 1.06
    assert found.limit is Outcome.TOO_FAST
    assert len(listener.tried) < 25


def test_a_search_doubles_and_then_bisects() -> None:
    listener = Listener(3000)
    found = bracket(listener, 1000)
    # What fails is tried again before it counts.
    assert listener.tried == [1000, 2000, 4000, 4000]
    assert found == Found(2000, Outcome.TOO_FAST, 4000)
    listener.tried.clear()
    assert bisect(listener, found, 1.05) == Found(2950, Outcome.TOO_FAST, 3080)
    assert listener.tried == [2830, 3360, 3080, 2950]


def test_a_hiccup_does_not_end_the_doubling() -> None:
    attempts = scripted(Outcome.HOLDS, Outcome.TOO_FAST, Outcome.HOLDS, Outcome.TOO_FAST, Outcome.TOO_FAST)
    assert bracket(attempts, 1000) == Found(2000, Outcome.TOO_FAST, 4000)


def test_a_rate_that_is_too_high_to_begin_with_is_halved() -> None:
    assert bracket(Listener(3000), 16_000) == Found(2000, Outcome.TOO_FAST, 4000)


def test_a_listener_that_takes_nothing_ends_the_search() -> None:
    listener = Listener(0, Outcome.BROKEN)
    found = bracket(listener, 1000)
    assert found.rate is None
    assert found.limit is Outcome.BROKEN
    assert min(listener.tried) >= 100
    assert settle(listener, bisect(listener, found, 1.05), 1.05, climbs=True).rate is None


def test_where_everything_holds_the_rate_is_a_lower_bound() -> None:
    found = bracket(Listener(10_000_000), 16_000)
    assert found == Found(1_000_000)
    assert found.is_at_least


def test_where_the_generator_ends_the_search_the_rate_is_a_lower_bound() -> None:
    listener = Listener(3000, Outcome.GENERATOR_BEHIND)
    assert bisect(listener, bracket(listener, 1000), 1.05).is_at_least
    assert not Found(1000, Outcome.TOO_FAST, 2000).is_at_least


def test_a_rate_that_holds_is_confirmed_at_once() -> None:
    listener = Listener(3000)
    assert settle(listener, Found(2900, Outcome.TOO_FAST, 3100), 1.05, climbs=False).rate == 2900
    assert listener.tried == [2900]


def test_a_rate_that_is_not_confirmed_goes_down_until_one_is() -> None:
    listener = Listener(2700)
    assert settle(listener, Found(2900), 1.05, climbs=True) == Found(2630, Outcome.TOO_FAST, 2760)
    assert listener.tried == [2900, 2760, 2630]


def test_a_later_round_climbs_from_where_the_last_one_ended() -> None:
    listener = Listener(3300)
    assert settle(listener, Found(2900), 1.05, climbs=True) == Found(3190, Outcome.TOO_FAST, 3350)


def test_confirming_ends_when_nothing_holds() -> None:
    listener = Listener(0)
    assert settle(listener, Found(2900), 1.05, climbs=True).rate is None
    assert len(listener.tried) == 5


@pytest.mark.parametrize(("rate", "to"), [(2828.4, 2830), (99.6, 100), (123, 123), (654_321, 654_000), (999.7, 1000)])
def test_rates_have_three_digits(rate: float, to: int) -> None:
    assert rounded(rate) == to
