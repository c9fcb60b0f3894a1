"""The line through reciprocals: what it gives back, what it says beyond the points, and when there is none."""

from __future__ import annotations

from typing import Any

import pytest
from bench_figures import figure
from bench_model import fit, model


def point(nodes: int, writers: str, writes: float) -> dict[str, Any]:
    return {"nodes": nodes, "writers": writers, "writes": figure("writes/s", [writes])}


def test_what_was_made_by_the_form_is_found_again() -> None:
    a, b = 2e-5, 5e-6
    line = fit({nodes: 1 / (a + b * (nodes - 1)) for nodes in (1, 2, 3)})
    assert line
    assert (line.a, line.b) == pytest.approx((a, b))
    assert line.residual == pytest.approx(0, abs=1e-9)
    assert line.writes(12) == pytest.approx(1 / (a + 11 * b))


def test_what_does_not_fit_leaves_something() -> None:
    line = fit({1: 50_000.0, 2: 20_000.0, 3: 45_000.0})
    assert line
    assert line.residual > 0.2


@pytest.mark.parametrize("measured", [{}, {3: 1000.0}, {1: 0.0, 2: 1000.0}])
def test_too_little_is_not_fitted(measured: dict[int, float]) -> None:
    assert fit(measured) is None


def test_only_what_was_not_measured_is_extrapolated() -> None:
    points = [point(1, "one", 50_000), point(2, "one", 40_000), point(4, "one", 28_571), point(4, "all", 20_000)]
    found = model(points)
    assert found
    assert found["measured_up_to"] == 4
    assert set(found["coefficients"]) == {"a_one", "b_one", "a_all", "b_all"}
    assert {each["nodes"] for each in found["extrapolated"]} == {6, 8, 12, 16, 20}
    of_one = {each["nodes"]: each["writes"] for each in found["extrapolated"] if each["writers"] == "one"}
    assert of_one[6] == pytest.approx(1 / (2e-5 + 5 * 5e-6), rel=0.01)


def test_a_line_that_runs_out_of_what_is_possible_says_nothing_there() -> None:
    """More writers make more writes, so far; the line would promise infinitely many."""
    found = model([point(1, "one", 10_000), point(3, "all", 40_000)])
    assert found
    assert all(each["writes"] > 0 for each in found["extrapolated"])
    assert 12 not in {each["nodes"] for each in found["extrapolated"]}


def test_without_points_there_is_no_model() -> None:
    assert model([]) is None
    assert model([point(1, "one", 10_000)]) is None
