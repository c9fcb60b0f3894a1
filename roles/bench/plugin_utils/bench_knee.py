"""The rate at which each listener falls behind, searched as the benchmark of the observers does it.

Both are attached in every window, so a window that one search has asked for answers the other one's question, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from bench.search import Attempt, Found, Outcome, bisect, bracket, settle

LISTENERS = ("sync", "async")
_IN_TIME_SHARE = 0.99

Window = Mapping[str, Any]


def outcome(window: Window, listener: str) -> Outcome:
    """Whether this listener held the rate: 99 % of the writes handled within 100 ms, and every one accounted for."""
    if _holds(window, listener):
        return Outcome.HOLDS
    # A load that the other one has kept up with was not too late for this one.
    is_punctual = window["kept_up"] or any(_holds(window, other) for other in LISTENERS)
    return Outcome.TOO_FAST if is_punctual else Outcome.GENERATOR_BEHIND


def _holds(window: Window, listener: str) -> bool:
    seen = window["listeners"][listener]
    lossless = not seen["missed"] and seen["accounted"] >= window["acknowledged"] and not window["failed"]
    in_time: int = seen["in_time"]
    return bool(lossless and in_time >= _IN_TIME_SHARE * window["measured"])


class Search:
    """One round. ``measure`` makes a window at a rate; ``before`` is what the round before found, by listener."""

    def __init__(
        self, measure: Callable[[int], Window], before: Mapping[str, Found], start: int, precision: float
    ) -> None:
        self._measure = measure
        self._before = before
        self._start = start
        self._precision = precision
        self._windows: dict[int, list[Window]] = defaultdict(list)
        self._looked: dict[tuple[str, int], int] = defaultdict(int)

    def run(self) -> dict[str, Found]:
        """What was found, by listener."""
        return {listener: self._found(listener) for listener in LISTENERS}

    def _found(self, listener: str) -> Found:
        attempt = self._attempt(listener)
        known = self._before.get(listener)
        if known and known.rate:
            return settle(attempt, known, self._precision, climbs=True)
        return bisect(attempt, bracket(attempt, self._start), self._precision)

    def _attempt(self, listener: str) -> Attempt:
        def attempt(rate: int) -> Outcome:
            # Who asks a second time wants a second look, not the first one again.
            look = self._looked[listener, rate]
            self._looked[listener, rate] += 1
            if look == len(self._windows[rate]):
                self._windows[rate].append(self._measure(rate))
            return outcome(self._windows[rate][look], listener)

        return attempt
