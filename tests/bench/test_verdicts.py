from __future__ import annotations

import pytest
from bench.figures import Spread
from bench.search import Outcome
from bench.trial import Load, broken
from bench.verdicts import TARGETS, TLS_TARGETS, Ratio, ratios, verdicts
from bench_fakes import window


def spread(*rounds: float | None) -> Spread:
    made = Spread.of(rounds)
    assert made
    return made


RATES = {"ours-async": spread(50_000, 60_000, 40_000), "naive-async": spread(2000, 2500, 2000), "floor": spread(80_000)}
P50 = {"ours-sync": spread(120.0), "ours-async": spread(150.0), "floor": spread(100.0)}


def test_ratios_are_of_medians_and_their_spread_is_of_rounds() -> None:
    found = ratios(RATES, (), {})
    assert found["async_vs_naive_async"] == Ratio(25.0, 20.0, 25.0)
    # Where rounds differ in number, those that both have are compared.
    assert found["async_vs_floor"] == Ratio(0.625, 0.625, 0.625)
    assert "async_vs_naive_sync" not in found


def test_rounds_are_compared_with_themselves() -> None:
    found = ratios({"ours-async": spread(None, 30.0, 40.0), "floor": spread(10.0, 60.0, None)}, (), {})
    assert (found["async_vs_floor"].least, found["async_vs_floor"].most) == (0.5, 0.5)


def test_latencies_are_compared_with_the_floor() -> None:
    found = ratios({}, (), P50)
    assert found["sync_p50_vs_floor"].value == pytest.approx(1.2)
    assert found["async_p50_vs_floor"].value == pytest.approx(1.5)


def test_a_ratio_says_of_what_only_a_bound_is_known() -> None:
    found = ratios(RATES, {"ours-async"}, {"ours-async": spread(1.0), "floor": spread(1.0)})
    assert found["async_vs_naive_async"].at_least == ("ours-async",)
    assert found["async_p50_vs_floor"].at_least == ()


def test_targets_hold_or_do_not() -> None:
    found = {verdict.name: verdict for verdict in verdicts(ratios(RATES, (), P50), TARGETS)}
    assert {name: verdict.holds for name, verdict in found.items()} == {
        "async_vs_naive_async": True,
        "async_vs_naive_sync": False,
        "async_vs_floor": True,
        "sync_p50_vs_floor": True,
        "async_p50_vs_floor": False,
    }
    # Nothing holds that was not measured.
    assert found["async_vs_naive_sync"].value is None
    assert found["sync_p50_vs_floor"].target == "<= 1.3"


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("async_vs_naive_async", 20.0, True),
        ("async_vs_naive_async", 19.99, False),
        ("async_vs_floor", 0.6, True),
        ("sync_p50_vs_floor", 1.3, True),
        ("sync_p50_vs_floor", 1.31, False),
    ],
)
def test_a_target_is_met_exactly_at_its_bound(name: str, value: float, holds: bool) -> None:
    assert TARGETS[name].holds(value) is holds


def test_tls_has_targets_of_its_own() -> None:
    assert {name: str(target) for name, target in TLS_TARGETS.items()} == {
        "async_vs_naive_async": ">= 10",
        "async_vs_naive_sync": ">= 10",
    }


def test_a_window_holds_when_99_percent_are_in_time_and_none_is_lost() -> None:
    assert window(in_time=0.99).outcome is Outcome.HOLDS
    assert window(in_time=0.989).outcome is Outcome.TOO_FAST
    assert window(unhandled=1).outcome is Outcome.TOO_FAST
    assert window(missed=1).outcome is Outcome.TOO_FAST
    assert window(events=2999).outcome is Outcome.TOO_FAST
    # Some cannot count events, or what they missed.
    assert window(events=None, missed=None).outcome is Outcome.HOLDS


def test_only_where_a_rate_does_not_hold_may_it_be_for_the_generator() -> None:
    assert window(generator_kept_up=False).outcome is Outcome.HOLDS
    assert window(generator_kept_up=False, in_time=0.0).outcome is Outcome.GENERATOR_BEHIND


def test_a_broken_window_is_broken() -> None:
    assert broken(Load(1000, 100, 1, 3), "it ended").outcome is Outcome.BROKEN
    assert broken(Load(1000, 100, 1, 3), "it ended").unhandled == 4000
