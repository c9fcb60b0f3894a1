"""How far this host's clock may be off, as chrony bounds it, and what that means for a difference of two clocks."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

_INTERVALS_UNTIL_STALE = 4
_TIMEOUT_S = 2.0
# Over the network of the host itself: a sandboxed unit has no access to chronyd's socket.
_COMMAND = ("chronyc", "-h", "127.0.0.1", "-c", "-n", "tracking")
# In this order: reference, its name, stratum, reference time, system time offset, last offset, RMS offset, frequency,
# residual frequency, skew, root delay, root dispersion, update interval, leap status. Times are in seconds.
_FIELDS = 14
_OFFSET, _DELAY, _DISPERSION, _LEAP = 4, 10, 11, 13
_SECONDS = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,12}")
_SYNCHRONISED = ("Normal", "Insert second", "Delete second")
_NS = Decimal(1_000_000_000)


def parse_tracking(text: str) -> int | None:
    """The bound in ns from the answer of ``chronyc -c tracking``; None when it is not synchronised, or no such answer.

    It is what chronyc(1) gives under ``tracking``: |system time offset| + root dispersion + root delay / 2, if the
    source at the root is right. A host that is its own reference is off by nothing from itself.
    """
    facts = text.strip().split(",")
    if len(facts) != _FIELDS or facts[_LEAP] not in _SYNCHRONISED:
        return None
    times = [facts[index] for index in (_OFFSET, _DISPERSION, _DELAY)]
    if not all(map(_SECONDS.fullmatch, times)):
        return None
    offset, dispersion, delay = map(Decimal, times)
    if dispersion < 0 or delay < 0:
        return None
    return int(((abs(offset) + dispersion + delay / 2) * _NS).to_integral_value(ROUND_CEILING))


class ErrorBound:
    """Asks chrony every ``interval_s`` seconds, on a thread of its own: it may take two seconds to answer."""

    def __init__(
        self,
        run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run,
        interval_s: float = 15.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._interval_s = interval_s
        self._monotonic = monotonic
        # One attribute, so that the bound and when it was had are read together.
        self._latest: tuple[int | None, float] = (None, monotonic())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._refresh_until_stopped, name="clock error", daemon=True)

    def start(self) -> None:
        """Begins to ask; ``error_ns`` is None until the first answer."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more. Does not wait for an answer that is under way."""
        self._stopping.set()

    @property
    def error_ns(self) -> int | None:
        """How far this host's clock may be off; None when that is not known, or was not for four intervals."""
        error_ns, since = self._latest
        return error_ns if self._monotonic() - since <= _INTERVALS_UNTIL_STALE * self._interval_s else None

    def refresh(self) -> None:
        """Asks once. Where there is no answer, the latest one holds until it is too old."""
        try:
            answer = self._run(
                _COMMAND,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT_S,
                check=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.SubprocessError):
            return
        self._latest = (parse_tracking(answer.stdout), self._monotonic())

    def _refresh_until_stopped(self) -> None:
        while True:
            # chrony may be installed, started or mended at any time, so nothing that happens ends this.
            with contextlib.suppress(Exception):
                self.refresh()
            if self._stopping.wait(self._interval_s):
                return


def combined(first: int | None, second: int | None) -> int | None:
    """How far the difference of two clocks may be off, from each one's bound; None when either is not known. In ns."""
    return None if first is None or second is None else first + second


def is_within_error(difference_ns: int, error_ns: int | None) -> bool:
    """Whether a time difference tells nothing for sure: it is negative, or smaller than the clocks may be off."""
    return difference_ns < 0 or (error_ns is not None and difference_ns < error_ns)
