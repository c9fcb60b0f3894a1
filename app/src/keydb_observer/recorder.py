"""What time differences were, in the whole run and in the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from keydb_observer.histogram import Histogram, PackedHistogram
from keydb_observer.messages import Distribution

SLOT_S = 5.0
SLOTS = 12


def distribution_of(histogram: Histogram) -> Distribution:
    """The figures that are published of a histogram."""
    largest = histogram.max_ns
    if largest is None:
        return Distribution()
    # A percentile is the highest value of its bucket, which may be more than any that was recorded.
    p50, p90, p99, p999 = (min(found or 0, largest) for found in histogram.percentiles((50, 90, 99, 99.9)))
    return Distribution(histogram.count, p50, p90, p99, p999, largest)


class Recorder:
    """Keeps the run and the last minute, the latter in slots of SLOT_S seconds: it is between 55 and 60 seconds.

    Only the thread that records may ask for the minute; any thread may take a copy of ``histogram``, which is the
    run's. ``negative`` is how many differences were below 0, which are in the histogram as 0. ``clock`` is monotonic,
    in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.histogram = Histogram()
        self.negative = 0
        self._clock = clock
        self._began = clock()
        self._slot = Histogram()
        self._slot_number = 0
        self._slot_ends = self._began + SLOT_S
        # Of the slots before the one in use: their numbers, and their sum, which is made once a slot and not at each
        # question: it takes milliseconds.
        self._before: deque[tuple[int, PackedHistogram]] = deque()
        self._sum_before = Histogram()

    def record(self, difference_ns: int) -> None:
        """Takes in one difference in ns; it is negative where two hosts' clocks disagree."""
        if self._clock() >= self._slot_ends:
            self._rotate()
        if difference_ns < 0:
            self.negative += 1
        self.histogram.record(difference_ns)
        self._slot.record(difference_ns)

    def run(self) -> Distribution:
        """Of all that was ever recorded."""
        return distribution_of(self.histogram)

    def minute(self) -> Distribution:
        """Of the last minute."""
        if self._clock() >= self._slot_ends:
            self._rotate()
        total = self._sum_before.copy()
        total.add(self._slot)
        return distribution_of(total)

    def _rotate(self) -> None:
        """Begins the slot that it is time for, and forgets those that are out of the last minute."""
        self._before.append((self._slot_number, self._slot.pack()))
        self._slot = Histogram()
        # At least one further, whatever the division's rounding makes of the very instant.
        self._slot_number = max(self._slot_number + 1, int((self._clock() - self._began) / SLOT_S))
        self._slot_ends = self._began + (self._slot_number + 1) * SLOT_S
        while self._before and self._before[0][0] <= self._slot_number - SLOTS:
            self._before.popleft()
        self._sum_before = Histogram()
        for _number, slot in self._before:
            self._sum_before.add_packed(slot)
