"""The distribution of a listener's time differences, in bounded memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WHOLE = 100


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest of ``ordered`` (ascending) that at least ``percent`` % (1 to 100) of them do not exceed.

    This is the nearest-rank percentile, definition 1 in R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical
    Packages", The American Statistician 50 (1996): always a value that was measured, never one in between.

    Raises ValueError for no values, or a percent out of range.
    """
    if not ordered or not 1 <= percent <= _WHOLE:
        raise ValueError("a percentile needs values and a percent from 1 to 100")
    rank = -(-percent * len(ordered) // _WHOLE)  # rounded up
    return ordered[rank - 1]


@dataclass(frozen=True)
class LatencySummary:
    """``count`` and ``max_ns`` cover everything since the start, the percentiles the latest differences. In ns."""

    count: int = 0
    p50_ns: int | None = None
    p99_ns: int | None = None
    max_ns: int | None = None


class LatencyWindow:
    """Keeps the latest ``size`` differences, and sorts them at most once every ``refresh_s`` seconds."""

    def __init__(
        self, size: int = 10_000, refresh_s: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._latest: deque[int] = deque(maxlen=size)
        self._count = 0
        self._max_ns: int | None = None
        self._refresh_s = refresh_s
        self._monotonic = monotonic
        self._percentiles: tuple[int, int] | None = None
        self._sorted_at = 0.0

    def add(self, difference_ns: int) -> None:
        """Adds one difference in ns; it may be negative where two hosts' clocks disagree."""
        self._latest.append(difference_ns)
        self._count += 1
        self._max_ns = difference_ns if self._max_ns is None else max(self._max_ns, difference_ns)

    def summary(self) -> LatencySummary:
        """The distribution; its percentiles are up to ``refresh_s`` seconds old, for sorting delays the next event."""
        if not self._latest:
            return LatencySummary()
        now = self._monotonic()
        if self._percentiles is None or now - self._sorted_at >= self._refresh_s:
            ordered = sorted(self._latest)
            self._percentiles = percentile(ordered, 50), percentile(ordered, 99)
            self._sorted_at = now
        return LatencySummary(self._count, *self._percentiles, self._max_ns)
