"""How far any two clocks may be apart, and the table that shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from verify_time import FilterModule, clocks_table, with_clocks

GOOD = {"time": "2026-01-01T00:00:00+00:00", "passed": True, "nodes": [], "problems": []}


def proof(offset: float = 0.0, dispersion: float = 0.0, delay: float = 0.0, **changes: Any) -> dict[str, Any]:
    """What time_sync_facts returned, and the role handed over."""
    tracking = {
        "reference": "10.77.0.11",
        "is_local": False,
        "is_synchronised": True,
        "stratum": 9,
        "offset_s": offset,
        "root_delay_s": delay,
        "root_dispersion_s": dispersion,
        "error_bound_s": abs(offset) + dispersion + delay / 2,
        "leap": "Normal",
    }
    return {"time_sync_proof": {"tracking": tracking, "trouble": "", "required": True} | changes}


def report(**hosts: dict[str, Any]) -> dict[str, Any]:
    return with_clocks(GOOD, list(hosts), hosts)


HOSTS = {
    "pc1": proof(),
    "pi1": proof(offset=5e-6, dispersion=20e-6, delay=100e-6),
    "pi2": proof(offset=-3e-6, dispersion=10e-6, delay=80e-6),
}


def test_the_bound_of_a_pair_is_the_sum_of_both() -> None:
    made = report(**HOSTS)
    assert made["passed"] is True
    pairs = {tuple(pair["nodes"]): pair for pair in made["clocks"]["pairs"]}
    assert list(pairs) == [("pc1", "pi1"), ("pc1", "pi2"), ("pi1", "pi2")]
    bounds = {pair: round(each["error_bound_s"], 9) for pair, each in pairs.items()}
    assert bounds == {("pc1", "pi1"): 75e-6, ("pc1", "pi2"): 53e-6, ("pi1", "pi2"): 128e-6}
    assert pairs["pi1", "pi2"]["offset_s"] == pytest.approx(8e-6)
    assert pairs["pi1", "pi2"]["root_dispersion_s"] == pytest.approx(30e-6)
    assert json.loads(json.dumps(made)) == made


def test_table() -> None:
    assert clocks_table(report(**HOSTS)).splitlines() == [
        "CLOCKS     OFFSET µs  DISPERSION µs  ERROR BOUND µs",
        "pc1 - pi1       -5.0           20.0            75.0",
        "pc1 - pi2       +3.0           10.0            53.0",
        "pi1 - pi2       +8.0           30.0           128.0",
    ]


UNSYNCHRONISED = {"is_synchronised": False, "error_bound_s": 1.5, "offset_s": 0.0, "root_dispersion_s": 1.0}


@pytest.mark.parametrize(
    ("facts", "trouble"),
    [
        (proof(tracking=None, trouble="chrony is not installed"), "chrony is not installed"),
        (proof(tracking=UNSYNCHRONISED, trouble="is not synchronised"), "is not synchronised"),
    ],
)
def test_a_clock_that_follows_nobody(facts: dict[str, Any], trouble: str) -> None:
    made = report(pc1=proof(), pi1=facts)
    assert made["passed"] is False
    assert made["problems"] == [f"pi1: its clock: {trouble}"]
    assert made["clocks"]["nodes"]["pi1"]["error_bound_s"] is None
    assert clocks_table(made).splitlines()[1:] == [
        "pc1 - pi1    unknown        unknown         unknown",
        f"The clock of pi1: {trouble}.",
    ]


def test_it_is_told_but_is_no_problem_where_nobody_sees_to_the_clock() -> None:
    made = report(pc1=proof(), pi1=proof(tracking=None, trouble="chrony is not installed", required=False))
    assert made["passed"] is True
    assert made["problems"] == []
    assert clocks_table(made).splitlines()[-1] == "The clock of pi1: chrony is not installed."


def test_a_node_that_could_not_be_asked_has_that_problem_already() -> None:
    made = report(pc1=proof(), pi1={"time_sync_proof": {"unreachable": True, "required": True}}, pi2={})
    assert made["problems"] == ["pi1: its clock: chronyd could not be asked"]
    assert [pair["error_bound_s"] for pair in made["clocks"]["pairs"]] == [None, None, None]


def test_other_problems_stay() -> None:
    found = with_clocks({**GOOD, "passed": False, "problems": ["pi2: a link is down"]}, ["pi1"], {"pi1": proof()})
    assert found["passed"] is False
    assert found["problems"] == ["pi2: a link is down"]


def test_the_filters_have_their_names() -> None:
    assert FilterModule().filters() == {"with_clocks": with_clocks, "clocks_table": clocks_table}
