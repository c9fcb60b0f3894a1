"""Figures as a result has them: what each round measured, the median, the least and the most."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

Figure = dict[str, Any]


def figure(unit: str, rounds: Iterable[float | None], digits: int = 4) -> Figure | None:
    """None where no round measured anything. Rounded to so many significant digits: more would promise too much."""
    known = [significant(value, digits) for value in rounds if value is not None]
    if not known:
        return None
    return {
        "unit": unit,
        "rounds": known,
        "median": significant(statistics.median(known), digits),
        "low": min(known),
        "high": max(known),
    }


def significant(value: float, digits: int = 4) -> float:
    """Rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")


def milliseconds(value_ns: float | None) -> float | None:
    """From ns."""
    return None if value_ns is None else value_ns / 1e6
