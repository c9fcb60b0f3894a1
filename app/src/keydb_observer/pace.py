"""Whether the journal gets a line for each event, or one line a second for all of them."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

_WINDOW_S = 1.0
_QUIET_WINDOWS = 3


class Switch(enum.Enum):
    """What the journal gets from now on."""

    TO_SUMMARIES = "summaries"
    TO_LINES = "lines"


class Pace:
    """Counts events in windows of one second.

    Within a window in which there are more than ``lines_per_s``, it goes over to summaries at once: no burst gets more
    lines than that into the journal. It comes back once three windows in a row had less than half as many, so that a
    rate near the limit does not have it go to and fro. ``monotonic`` is a clock in seconds.

    The order of calls is ``note``, then a line for each of these events unless ``is_summing``; and ``tick`` about once
    a second.
    """

    def __init__(self, lines_per_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.is_summing = False
        self._limit = lines_per_s
        self._monotonic = monotonic
        self._window_ends = monotonic() + _WINDOW_S
        self._events = 0
        self._quiet_windows = 0
        # Whether tick has told of the latest switch to summaries.
        self._told = False

    def note(self, events: int) -> None:
        """So many events came just now."""
        now = self._monotonic()
        if now >= self._window_ends:
            self._next_window(now)
        self._events += events
        if self._events > self._limit and not self.is_summing:
            self.is_summing = True
            self._told = False

    def tick(self) -> Switch | None:
        """What has changed since the last call, if anything. Only here does it go back to lines."""
        now = self._monotonic()
        if now >= self._window_ends:
            self._next_window(now)
        if not self.is_summing:
            return None
        if not self._told:
            self._told = True
            return Switch.TO_SUMMARIES
        # The running window counts as well: it may hold the next burst already.
        if self._quiet_windows < _QUIET_WINDOWS or not self._is_quiet:
            return None
        self.is_summing = False
        return Switch.TO_LINES

    @property
    def _is_quiet(self) -> bool:
        return self._events < self._limit / 2

    def _next_window(self, now: float) -> None:
        ended = 1 + int((now - self._window_ends) / _WINDOW_S)
        # There were no events in the windows after the one that ended first, or they would have begun it.
        self._quiet_windows = self._quiet_windows + ended if self._is_quiet else ended - 1
        self._window_ends += ended * _WINDOW_S
        self._events = 0
