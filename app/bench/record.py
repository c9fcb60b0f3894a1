"""What a contender writes down about the events that it handled, at a cost that does not show."""

from __future__ import annotations

import json
import os
import time
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from bench.figures import Nanoseconds

NO_KEY = -1
"""In place of a key: the contender only knows the order of events, and numbers them over all keys from 1."""

READY = "READY"
_COLUMNS = 5


@dataclass(frozen=True)
class Summary:
    """``events`` and ``missed`` are None where the contender cannot know them. ``cpu_s`` is from READY to the end."""

    events: int | None
    missed: int | None
    handled: int
    cpu_s: float
    ended_ns: int


@dataclass(frozen=True)
class Record:
    """One row for each handling: key index, first and last sequence number, seen and done in ns (Unix time)."""

    summary: Summary
    rows: Nanoseconds

    def columns(self) -> tuple[Nanoseconds, ...]:
        """The five columns."""
        return tuple(self.rows.reshape(-1, _COLUMNS).T)

    @classmethod
    def read(cls, path: Path) -> Record:
        """Raises OSError and ValueError."""
        header, _, rows = path.read_bytes().partition(b"\n")
        return cls(Summary(**json.loads(header)), np.frombuffer(rows, dtype=np.int64))


class Recorder:
    """Takes down what was handled, and ends the process once that is every write of the plan.

    A contender is therefore an endless loop, as a listener is.
    """

    def __init__(self, path: Path, writes: int, *, keeps_rows: bool) -> None:
        self.events: int | None = 0
        self.missed: int | None = None
        self._path = path
        self._writes = writes
        self._keeps_rows = keeps_rows
        self._handled = 0
        self._accounted = 0
        self._events_of_key: dict[int, int] = {}
        self._rows = array("q")
        self._cpu_s = 0.0

    def ready(self) -> None:
        """The contender has subscribed: the load may begin."""
        self._cpu_s = time.process_time()
        print(READY, flush=True)

    def handled(self, key: int, first: int, last: int, seen_ns: int, done_ns: int, missed: int = 0) -> None:
        """Writes ``first`` to ``last`` of a key were handled at once; ``missed`` ones before them never will be."""
        if self._keeps_rows:
            self._rows.extend((key, first, last, seen_ns, done_ns))
        self._handled += last - first + 1
        self._accounted += last - first + 1 + missed
        if self._accounted >= self._writes:
            self.end()

    def event_handled(self, key: int, seen_ns: int, done_ns: int) -> None:
        """For one who handles a key's events one by one: the nth event is that of the nth write."""
        number = self._events_of_key[key] = self._events_of_key.get(key, 0) + 1
        if self.events is not None:
            self.events += 1
        self.handled(key, number, number, seen_ns, done_ns)

    def end(self, *_signal: object) -> NoReturn:
        """Leaves the record, and at once."""
        cpu_s = time.process_time() - self._cpu_s
        summary = Summary(self.events, self.missed, self._handled, cpu_s, time.time_ns())
        beside = self._path.with_suffix(".part")
        with beside.open("wb") as out:
            out.write(json.dumps(asdict(summary)).encode() + b"\n")
            self._rows.tofile(out)
        beside.replace(self._path)
        # Whatever loop this was called from has nothing left to do.
        os._exit(0)
