"""Ratios of what was measured, and whether they are what they should be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bench.figures import Spread

_RATES = {
    "async_vs_naive_async": ("ours-async", "naive-async"),
    "async_vs_naive_sync": ("ours-async", "naive-sync"),
    "async_vs_floor": ("ours-async", "floor"),
}
_P50 = {
    "sync_p50_vs_floor": ("ours-sync", "floor"),
    "async_p50_vs_floor": ("ours-async", "floor"),
}


@dataclass(frozen=True)
class Ratio:
    """Of two medians. ``least`` and ``most`` are of the rounds' own ratios, where both were measured.

    ``at_least`` names the contenders of which only a lower bound is known.
    """

    value: float
    least: float
    most: float
    at_least: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """What a ratio should be: at least, or at most, ``bound``."""

    bound: float
    is_least: bool

    def holds(self, value: float) -> bool:
        """Whether it is."""
        return value >= self.bound if self.is_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.is_least else '<='} {self.bound:g}"


TARGETS = {
    "async_vs_naive_async": Target(20, is_least=True),
    "async_vs_naive_sync": Target(15, is_least=True),
    "async_vs_floor": Target(0.6, is_least=True),
    "sync_p50_vs_floor": Target(1.3, is_least=False),
    "async_p50_vs_floor": Target(1.3, is_least=False),
}
TLS_TARGETS = {
    "async_vs_naive_async": Target(10, is_least=True),
    "async_vs_naive_sync": Target(10, is_least=True),
}


@dataclass(frozen=True)
class Verdict:
    """Whether a ratio is what it should be. Nothing holds that was not measured: ``value`` is None then."""

    name: str
    value: float | None
    target: str
    holds: bool


Measured = Mapping[str, Spread | None]
"""By contender."""


def ratios(rates: Measured, at_least: Collection[str], p50: Measured) -> dict[str, Ratio]:
    """Those whose two sides were measured.

    Of sustained rates, of which those ``at_least`` are lower bounds, and of medians from write to event seen.
    """
    found = {}
    for measured, pairs in ((rates, _RATES), (p50, _P50)):
        for name, sides in pairs.items():
            ours, theirs = (measured.get(side) for side in sides)
            bounds = tuple(side for side in sides if measured is rates and side in at_least)
            ratio = _ratio(ours, theirs, bounds)
            if ratio:
                found[name] = ratio
    return found


def _ratio(ours: Spread | None, theirs: Spread | None, at_least: tuple[str, ...]) -> Ratio | None:
    if not ours or not theirs or not theirs.median:
        return None
    value = ours.median / theirs.median
    each = [one / other for one, other in zip(ours.rounds, theirs.rounds, strict=False) if one and other] or [value]
    return Ratio(value, min(each), max(each), at_least)


def verdicts(found: Mapping[str, Ratio], targets: Mapping[str, Target]) -> list[Verdict]:
    """One for each target."""
    result = []
    for name, target in targets.items():
        value = found[name].value if name in found else None
        result.append(Verdict(name, value, str(target), value is not None and target.holds(value)))
    return result
