"""The search for the highest rate that holds."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

_LEAST_RATE, _MOST_RATE = 100, 1_000_000
_MOST_STEPS = 5


class Outcome(enum.Enum):
    """What a window at one rate showed."""

    HOLDS = "holds"
    TOO_FAST = "too fast for the listener"
    GENERATOR_BEHIND = "too fast for the generator"
    BROKEN = "broken"


Attempt = Callable[[int], Outcome]
"""Measures at so many writes/s."""


@dataclass(frozen=True)
class Found:
    """The highest rate that held and the lowest above it that did not, in writes/s, and why it did not.

    None: there is no such rate. When that is the generator, the listener may be good for more.
    """

    rate: int | None
    limit: Outcome | None = None
    too_high: int | None = None

    @property
    def is_at_least(self) -> bool:
        """Whether nothing shows that the listener could not take more."""
        return self.limit in (None, Outcome.GENERATOR_BEHIND)


def rounded(rate: float) -> int:
    """To three digits: one more would promise too much."""
    digits = max(0, math.floor(math.log10(rate)) - 2)
    return int(round(rate / 10**digits) * 10**digits)


def bracket(attempt: Attempt, start: int) -> Found:
    """Doubles from ``start`` (or halves) until one rate holds and the next does not.

    A rate that does not hold is given a second chance while doubling: a hiccup there would end the search far too low.
    """
    rate, low, high = start, 0, 0
    limit = None
    while not (low and high) and low < _MOST_RATE and high != _LEAST_RATE:
        outcome = attempt(rate)
        if outcome is not Outcome.HOLDS and not high:
            outcome = attempt(rate)
        if outcome is Outcome.HOLDS:
            low, rate = rate, min(rate * 2, _MOST_RATE)
        else:
            high, limit, rate = rate, outcome, max(rate // 2, _LEAST_RATE)
    return Found(low or None, limit, high or None)


def bisect(attempt: Attempt, found: Found, precision: float) -> Found:
    """Halves the distance between the highest rate that held and the lowest that did not until it is small enough."""
    low, high, limit = found.rate, found.too_high, found.limit
    while low and high and high > low * precision:
        middle = rounded(math.sqrt(low * high))
        if middle in (low, high):
            break
        outcome = attempt(middle)
        if outcome is Outcome.HOLDS:
            low = middle
        else:
            high, limit = middle, outcome
    return Found(low, limit, high)


def settle(attempt: Attempt, found: Found, precision: float, *, climbs: bool) -> Found:
    """Confirms a rate, going down by steps while it does not hold and, if asked, up while it does."""
    if not found.rate:
        return found
    rate, held, limit, too_high = found.rate, None, found.limit, found.too_high
    for _step in range(_MOST_STEPS):
        outcome = attempt(rate)
        if outcome is Outcome.HOLDS:
            held = rate
            rate = min(rounded(rate * precision), _MOST_RATE)
            if not climbs or rate == held:
                break
        else:
            limit, too_high = outcome, rate
            if held:
                break
            climbs = False
            rate = rounded(rate / precision)
    return Found(held, limit, too_high)
