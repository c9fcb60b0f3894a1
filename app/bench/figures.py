"""Percentiles, medians and spreads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Nanoseconds = NDArray[np.int64]


def nearest_rank(ordered: Nanoseconds, fraction: float) -> int:
    """The smallest of ``ordered`` (ascending, not empty) that at least this fraction of them do not exceed.

    Definition 1 in R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50
    (1996).
    """
    # A product such as 0.99 * 100 may come out a hair above the whole number that it is.
    rank = math.ceil(round(fraction * len(ordered), 6))
    return int(ordered[max(rank, 1) - 1])


@dataclass(frozen=True)
class Lags:
    """A distribution of delays, in ns."""

    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int

    @classmethod
    def of(cls, delays: Nanoseconds) -> Lags | None:
        """None where there are none."""
        if not len(delays):
            return None
        ordered = np.sort(delays)
        return cls(len(ordered), *(nearest_rank(ordered, fraction) for fraction in (0.5, 0.9, 0.99, 1.0)))


@dataclass(frozen=True)
class Spread:
    """The median of what several rounds measured, the least and the most of it, and all of it by round.

    A round that measured nothing has None there.
    """

    median: float
    least: float
    most: float
    rounds: tuple[float | None, ...]

    @classmethod
    def of(cls, rounds: Sequence[float | None]) -> Spread | None:
        """None where no round measured anything."""
        known = [figure for figure in rounds if figure is not None]
        return cls(statistics.median(known), min(known), max(known), tuple(rounds)) if known else None
