"""One of the two listeners as in production, run by the observers' Python: accounts, answers, log and all.

It says when it has subscribed, and at its end what it has seen, in files of its own directory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import uvloop
from keydb_observer.changes import Change
from keydb_observer.figures import Figures
from keydb_observer.histogram import Histogram
from keydb_observer.ledger import Sighting
from keydb_observer.listen_async import AsyncListener
from keydb_observer.listen_sync import SyncListener
from keydb_observer.messages import Mode
from keydb_observer.resolution import resolve

# As the benchmark of the observers has it: later than this a write was not handled in time.
IN_TIME_NS = 100_000_000
PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0)
_LOOK_S = 0.005
_COLUMNS = 5


class Account:
    """Takes down each answered write, and computes only once all is over. ``step_ns``: between two writes of a key."""

    def __init__(self, directory: Path, writes: int, step_ns: float, warmup_ns: int) -> None:
        self._directory = directory
        self._writes = writes
        self._step_ns = step_ns
        self._warmup_ns = warmup_ns
        self._figures: Figures | None = None
        self._accounted = 0
        self._rows = array("q")
        self._is_ending = threading.Lock()

    def follow(self, figures: Figures) -> None:
        """Says that it is ready once the listener has subscribed."""
        self._figures = figures
        threading.Thread(target=self._await, daemon=True).start()

    def taken(self, changes: list[Change]) -> None:
        """Handshakes of these changes were acknowledged."""
        done_ns = time.time_ns()
        for change in changes:
            value, entry, seen = change.value, change.entry, change.seen
            if value is None or entry is None or seen is None or not change.is_news:
                continue
            # Of a first value the listener does not count the writes before it; here the load began after it did.
            superseded = value.seq - 1 if entry.sighting is Sighting.FIRST else entry.superseded
            self._accounted += superseded + 1 + entry.missed
            self._rows.extend((value.t1_ns - value.epoch, value.t1_ns, superseded, seen.time_ns, done_ns))
        if self._accounted >= self._writes:
            self.end()

    def end(self, *_signal: object) -> None:
        """Leaves what it has seen, and at once: whatever loop this was called from has nothing left to do."""
        if not self._is_ending.acquire(blocking=False):
            # A signal that comes while it is at it.
            return
        beside = self._directory / "result.part"
        beside.write_text(json.dumps(self.summary()), encoding="utf-8")
        beside.replace(self._directory / "result.json")
        os._exit(0)

    def summary(self) -> dict[str, Any]:
        """Delays are in ns, of writes after the warm-up: of those read, until their event was seen (``seen``).

        ``in_time`` of ``handled`` writes, superseded ones included, had their value read and answered within 100 ms.
        """
        seen, in_time, handled = Histogram(), 0, 0
        rows = self._rows
        for place in range(0, len(rows), _COLUMNS):
            since_ns, due_ns, superseded, seen_ns, done_ns = rows[place : place + _COLUMNS]
            # The superseded ones were due so many steps before.
            most = min(superseded, int((since_ns - self._warmup_ns) // self._step_ns))
            if most < 0:
                continue
            handled += most + 1
            in_time += min(most, max(-1, int((IN_TIME_NS - (done_ns - due_ns)) // self._step_ns))) + 1
            seen.record(seen_ns - due_ns)
        counts = self._figures.counts if self._figures else None
        return {
            "accounted": self._accounted,
            "handled": handled,
            "in_time": in_time,
            "read": seen.count,
            "percentiles": list(zip(PERCENTS, seen.percentiles(PERCENTS), strict=True)),
            "events": counts.events if counts else 0,
            "superseded": counts.superseded if counts else 0,
            "missed": counts.missed if counts else 0,
            "reconnects": self._figures.reconnects if self._figures else 0,
            "cpu_s": time.process_time(),
        }

    def _await(self) -> None:
        while not (self._figures and self._figures.node):
            time.sleep(_LOOK_S)
        (self._directory / "ready").touch()


def main() -> None:
    """Listens until every write is accounted for, or until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--writes", type=int, required=True)
    parser.add_argument("--step-ns", type=float, required=True)
    parser.add_argument("--warmup-ns", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    for option in ("mode", "node", "key", "name", "username", "password-file", "tls-ca", "tls-cert", "tls-key"):
        parser.add_argument(f"--{option}", dest=option)
    parser.add_argument("--tls", action="store_true")
    given = vars(parser.parse_args())
    account = Account(given["directory"], given["writes"], given["step_ns"], given["warmup_ns"])
    options = {name: given[name] for name in given if name not in ("writes", "step_ns", "warmup_ns", "directory")}
    wanted = {name: value for name, value in options.items() if value}
    settings = resolve("listen", wanted | {"node": [given["node"]], "key": [given["key"]]}, {})
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    logger = logging.getLogger("bench")
    signal.signal(signal.SIGTERM, account.end)
    if settings.mode is Mode.SYNC:
        listener = SyncListener(settings, logger, on_answered=account.taken)
        account.follow(listener.figures)
        listener.run()
        return

    async def run() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, account.end)
        listener = AsyncListener(settings, logger, on_answered=account.taken)
        account.follow(listener.figures)
        await listener.run()

    uvloop.run(run())


if __name__ == "__main__":
    main()
