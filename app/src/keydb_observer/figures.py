"""What a listener has counted and measured, and the two forms in which others get it."""

from __future__ import annotations

import time
from collections.abc import Callable

from keydb_observer.messages import Counts, Mode, Report
from keydb_observer.metrics import Snapshot
from keydb_observer.recorder import Recorder


class Figures:
    """Everything since the start. ``clock_error`` tells how far this host's clock may be off, in ns (None: unknown).

    ``differences`` are from a write to its event, ``value_differences`` to the reading of its value.
    """

    def __init__(self, mode: Mode, host: str, clock_error: Callable[[], int | None]) -> None:
        self.counts = Counts()
        self.differences = Recorder()
        self.value_differences = Recorder()
        self.events_passed_over = 0
        self.reconnects = 0
        self.resyncs = 0
        self.slow_consumer_disconnects = 0
        self.blind_s = 0.0
        self.answers = 0
        self.answers_failed = 0
        self.handler_failures = 0
        self.node = ""
        self.is_home = False
        self._listener = mode.listener
        self._host = host
        self.clock_error = clock_error

    def report(self) -> Report:
        """For the key that `keydb-observer status` reads."""
        return Report(
            listener=self._listener,
            host=self._host,
            node=self.node,
            sent_ns=time.time_ns(),
            counts=self.counts,
            run=self.differences.run(),
            minute=self.differences.minute(),
            reconnects=self.reconnects,
            resyncs=self.resyncs,
            error_ns=self.clock_error(),
        )

    def snapshot(self) -> Snapshot:
        """For Prometheus. May be called from any thread."""
        counts, error_ns = self.counts, self.clock_error()
        return Snapshot(
            labels={"listener": self._listener, "host": self._host},
            counters={
                "events": counts.events,
                "events_passed_over": self.events_passed_over,
                "writes_read": counts.read,
                "writes_found": counts.found,
                "writes_superseded": counts.superseded,
                "writes_missed": counts.missed,
                "readings_repeated": counts.repeated,
                "readings_reordered": counts.reordered,
                "readings_foreign": counts.foreign,
                "reconnects": self.reconnects,
                "resyncs": self.resyncs,
                "slow_consumer_disconnects": self.slow_consumer_disconnects,
                "blind_seconds": self.blind_s,
                "answers": self.answers,
                "answers_failed": self.answers_failed,
                "handler_failures": self.handler_failures,
                "differences_negative": self.differences.negative,
            },
            gauges={
                "clock_error_seconds": None if error_ns is None else error_ns / 1e9,
                "connected": float(bool(self.node)),
                "home": float(self.is_home),
            },
            histograms={
                "event_difference_seconds": self.differences.histogram,
                "value_difference_seconds": self.value_differences.histogram,
            },
        )
