"""The distribution of time differences to three significant digits, in bounded memory: Gil Tene's HdrHistogram.

Its buckets are log-linear: up to 2047 ns every value has its own, and each power of two above is cut into 1024. Only
those that were hit take memory, so the events of an hour are a few thousand numbers, and never more than 33,421.

http://hdrhistogram.org describes it. It is written anew here because the library for Python has no wheels for arm64.
The text form is the same: that library and its kin in other languages read ours, and this reads theirs.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from keydb_observer import histoblob

HIGHEST_NS = 3_600_000_000_000
"""The highest value that is told from higher ones: an hour."""

_SCALE = histoblob.Scale(digits=3, lowest=1, highest=HIGHEST_NS)
_WHOLE = 100.0
# As many values have a bucket of their own as it takes until two neighbours differ by less than a thousandth.
_OWN_BITS = 11
_LARGEST_OWN = (1 << _OWN_BITS) - 1
_HALF_BITS = _OWN_BITS - 1
_HALF = 1 << _HALF_BITS


class PackedHistogram(NamedTuple):
    """One that is complete, in about an eighth of the memory: it can only be added to another one."""

    indexes: array[int]
    counts: array[int]
    min_ns: int
    max_ns: int


class Histogram:
    """Counts of values in ns. One thread records, any thread may take a ``copy``."""

    __slots__ = ("_counts", "_max_ns", "_min_ns")
    __hash__ = None  # type: ignore[assignment]  # what changes is no key

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        # The first value replaces both, unless it is as extreme as they are.
        self._max_ns = 0
        self._min_ns = HIGHEST_NS

    def __eq__(self, other: object) -> bool:
        return self._counts == other._counts if isinstance(other, Histogram) else NotImplemented

    def record(self, value_ns: int, count: int = 1) -> None:
        """Counts a value ``count`` times (at least once): a negative one as 0, one above HIGHEST_NS as that."""
        # In this order: a negative value is mended before it is compared with the maximum.
        if value_ns < self._min_ns:
            value_ns = max(value_ns, 0)
            self._min_ns = value_ns
        if value_ns > self._max_ns:
            value_ns = min(value_ns, HIGHEST_NS)
            self._max_ns = value_ns
        # _index, written out: this runs for every event.
        shift = (value_ns | _LARGEST_OWN).bit_length() - _OWN_BITS
        index = (shift << _HALF_BITS) + (value_ns >> shift)
        counts = self._counts
        if index in counts:
            counts[index] += count
        else:
            counts[index] = count

    @property
    def count(self) -> int:
        """How many values were recorded; it is summed up each time."""
        return sum(self._counts.values())

    @property
    def total_ns(self) -> int:
        """The sum of all values, to within 0.05 %: each counts as the middle of its bucket."""
        return sum(count * _middle_doubled(index) for index, count in self._counts.items()) // 2

    @property
    def max_ns(self) -> int | None:
        """The largest value, exactly; None where there is none. After ``decode``, as exactly as buckets tell."""
        return self._max_ns if self._counts else None

    @property
    def min_ns(self) -> int | None:
        """The smallest value, exactly; None where there is none. After ``decode``, as exactly as buckets tell."""
        return self._min_ns if self._counts else None

    def percentile(self, percent: float) -> int | None:
        """The value that at least ``percent`` % (0 to 100) of all values do not exceed; None where there is none.

        This is HdrHistogram's getValueAtPercentile: the highest value of the bucket that holds the percentile of the
        nearest rank, and of the lowest bucket's the lowest for 0 %. Raises ValueError for another percent.
        """
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Sequence[float]) -> list[int | None]:
        """Several percentiles for little more than the price of one."""
        if not all(0 <= percent <= _WHOLE for percent in percents):
            raise ValueError("a percent is from 0 to 100")
        if not self._counts:
            return [None] * len(percents)
        indexes, up_to = self._cumulative()
        found: list[int | None] = []
        for percent in percents:
            # Less by the smallest step, lest rounding errors lift an exact rank to the next one.
            rank = math.ceil(max(math.nextafter(percent, -math.inf), 0.0) * up_to[-1] / _WHOLE)
            index = indexes[bisect_left(up_to, min(max(rank, 1), up_to[-1]))]
            found.append(_highest(index) if percent else _lowest(index))
        return found

    def buckets(self, bounds_ns: Sequence[int]) -> list[int]:
        """How many values do not exceed each bound (at least 0), to within the bucket that holds the bound."""
        indexes, up_to = self._cumulative()
        places = (bisect_right(indexes, _index(bound)) for bound in bounds_ns)
        return [up_to[place - 1] if place else 0 for place in places]

    def add(self, other: Histogram) -> None:
        """Takes in all values of another one."""
        self._add(other._counts.items(), other._min_ns, other._max_ns)

    def pack(self) -> PackedHistogram:
        """A copy that is kept rather than used."""
        counts = self._counts
        return PackedHistogram(array("I", counts), array("Q", counts.values()), self._min_ns, self._max_ns)

    def add_packed(self, other: PackedHistogram) -> None:
        """Takes in all values of another one."""
        self._add(zip(other.indexes, other.counts, strict=True), other.min_ns, other.max_ns)

    def _add(self, items: Iterable[tuple[int, int]], min_ns: int, max_ns: int) -> None:
        counts = self._counts
        for index, count in items:
            counts[index] = counts.get(index, 0) + count
        self._min_ns = min(self._min_ns, min_ns)
        self._max_ns = max(self._max_ns, max_ns)

    def copy(self) -> Histogram:
        """A histogram of its own with the same values.

        Another thread may take it while this one records: the counts are copied in one step. A value recorded in
        between may already show in the extremes.
        """
        twin = Histogram()
        twin._counts = self._counts.copy()
        twin._min_ns = self._min_ns
        twin._max_ns = self._max_ns
        return twin

    def encode(self) -> str:
        """HdrHistogram's text form, version 2, compressed."""
        return histoblob.encode(self._counts, _SCALE)

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Reads HdrHistogram's text form. Raises ValueError with the reason, also where the buckets are others."""
        counts, scale = histoblob.decode(text, _index(HIGHEST_NS) + 1)
        if (scale.digits, scale.lowest) != (_SCALE.digits, _SCALE.lowest):
            raise ValueError(f"its buckets are for {scale.digits} digits from {scale.lowest} on")
        histogram = cls()
        if counts:
            histogram._counts = counts
            histogram._min_ns = _lowest(min(counts))
            histogram._max_ns = min(_highest(max(counts)), HIGHEST_NS)
        return histogram

    def _cumulative(self) -> tuple[list[int], list[int]]:
        """The indexes of the buckets that were hit, ascending, and how many values they hold up to there."""
        indexes = sorted(self._counts)
        return indexes, list(accumulate(self._counts[index] for index in indexes))


def _index(value: int) -> int:
    """Of the bucket that holds this value."""
    shift = (value | _LARGEST_OWN).bit_length() - _OWN_BITS
    return (shift << _HALF_BITS) + (value >> shift)


def _lowest(index: int) -> int:
    """The lowest value of a bucket."""
    shift = max((index >> _HALF_BITS) - 1, 0)
    return (index - (shift << _HALF_BITS)) << shift


def _highest(index: int) -> int:
    """The highest value of a bucket."""
    return _lowest(index + 1) - 1


def _middle_doubled(index: int) -> int:
    """The sum of a bucket's lowest and highest value, with one call where theirs would take four."""
    shift = max((index >> _HALF_BITS) - 1, 0)
    return ((2 * (index - (shift << _HALF_BITS)) + 1) << shift) - 1
