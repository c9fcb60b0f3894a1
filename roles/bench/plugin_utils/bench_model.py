"""How replicated writes per second depend on the number of nodes, as simply as measured points allow.

A write costs ``a`` seconds, and ``b`` more for each further node that has to have it: 1/writes = a + b (n - 1).
That is a straight line through the reciprocals, fitted by least squares.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench_figures import significant

FORM = "writes/s = 1 / (a + b (n - 1)), n nodes; a and b in seconds per write, for each number of writers"
_EXTRAPOLATED = (4, 6, 8, 12, 16, 20)
_LEAST_POINTS = 2


@dataclass(frozen=True)
class Line:
    """``residual`` is the root mean square of what is left, as a part of each measured value."""

    a: float
    b: float
    residual: float

    def writes(self, nodes: int) -> float | None:
        """Writes/s with so many nodes; None where the line has left what is possible."""
        seconds = self.a + self.b * (nodes - 1)
        return 1 / seconds if seconds > 0 else None


def fit(measured: Mapping[int, float]) -> Line | None:
    """Through writes/s by number of nodes; None with less than two points."""
    if len(measured) < _LEAST_POINTS or not all(measured.values()):
        return None
    x = [nodes - 1 for nodes in measured]
    y = [1 / writes for writes in measured.values()]
    slope, intercept = statistics.linear_regression(x, y)
    line = Line(intercept, slope, 0.0)
    left = [
        (line.writes(nodes) or math.inf) / writes - 1 if line.writes(nodes) else 1.0
        for nodes, writes in measured.items()
    ]
    return Line(intercept, slope, math.sqrt(statistics.fmean(each * each for each in left)))


def model(points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Of a result's points. What is beyond them is said to be extrapolated; None where there is nothing to fit."""
    coefficients: dict[str, float] = {}
    residuals, extrapolated = [], []
    most = max((point["nodes"] for point in points), default=0)
    for writers in ("one", "all"):
        measured = {
            point["nodes"]: point["writes"]["median"]
            for point in points
            # A single node is written to by one, and that is all there are.
            if point["writes"] and (point["writers"] == writers or point["nodes"] == 1)
        }
        line = fit(measured) if any(point["writers"] == writers for point in points) else None
        if not line:
            continue
        coefficients |= {f"a_{writers}": significant(line.a), f"b_{writers}": significant(line.b)}
        residuals.append(line.residual)
        for nodes in _EXTRAPOLATED:
            writes = line.writes(nodes)
            if nodes > most and writes:
                extrapolated.append({"nodes": nodes, "writers": writers, "writes": significant(writes, 3)})
    if not coefficients:
        return None
    return {
        "form": FORM,
        "coefficients": coefficients,
        "residual": significant(max(residuals), 3),
        "measured_up_to": most,
        "extrapolated": extrapolated,
    }
