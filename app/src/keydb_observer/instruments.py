"""What runs beside an observer: the watch over the host's clock, and the figures' endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keydb_observer.clock import ErrorBound
from keydb_observer.metrics import MetricsEndpoint, Snapshot
from keydb_observer.settings import Settings


class Instruments:
    """Made before the observer, which asks it for the clock's error; runs while the observer does."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.metrics
        self._clock = ErrorBound()

    def clock_error_ns(self) -> int | None:
        """How far this host's clock may be off, in ns; None: unknown."""
        return self._clock.error_ns

    @contextmanager
    def running(self, collect: Callable[[], Snapshot]) -> Iterator[None]:
        """Serves what ``collect`` returns. Raises OSError when the address cannot be had."""
        endpoint = MetricsEndpoint(*self._address, collect) if self._address else None
        if endpoint:
            endpoint.start()
        self._clock.start()
        try:
            yield
        finally:
            self._clock.stop()
            if endpoint:
                endpoint.stop()
