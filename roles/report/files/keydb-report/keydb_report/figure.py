"""Figures that were measured in several rounds, and whether two of them differ by more than the rounds do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keydb_report.cited import Cited, NotMeasuredError, plain_number

_FIELDS = ("median", "low", "high")
_LEAST_ROUNDS = 2


@dataclass(frozen=True)
class Figure:
    """Median of its rounds, the least and the most of them, and how many there were."""

    median: Cited
    low: Cited
    high: Cited
    rounds: int

    @property
    def value(self) -> float:
        """The median as a number."""
        return float(self.median.value)

    @property
    def unit(self) -> str:
        """Of all of them."""
        return self.median.unit

    @property
    def span(self) -> tuple[float, float]:
        """From the least to the most."""
        return float(self.low.value), float(self.high.value)

    @classmethod
    def of(cls, found: Any, source: str) -> Figure:
        """Raises NotMeasuredError for what is none: nothing is guessed from a part of it."""
        if not isinstance(found, Mapping) or not all(plain_number(found.get(field)) for field in _FIELDS):
            raise NotMeasuredError("{place} is no figure of several rounds", place=source)
        rounds = found.get("rounds")
        if not isinstance(rounds, Sequence) or not rounds or not found["low"] <= found["median"] <= found["high"]:
            raise NotMeasuredError("{place} contradicts itself", place=source)
        unit = str(found.get("unit", ""))
        median, low, high = (Cited(found[field], (f"{source}/{field}",), unit) for field in _FIELDS)
        return cls(median, low, high, sum(each is not None for each in rounds))


def beyond_spread(one: Figure, other: Figure) -> int:
    """1 where every round of the one is above every round of the other, -1 where it is below, 0 where they overlap.

    Raises NotMeasuredError where there is one round only, which has no spread.
    """
    if min(one.rounds, other.rounds) < _LEAST_ROUNDS:
        raise NotMeasuredError("a single round has no spread to judge by")
    if one.span[0] > other.span[1]:
        return 1
    return -1 if one.span[1] < other.span[0] else 0
