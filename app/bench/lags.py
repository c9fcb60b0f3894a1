"""When each write was meant to be sent, when it was handled, and how much later that is.

The load is an open loop: every write has its time, whatever became of the ones before it. Lags are counted from there,
so a listener, a server or a generator that stalls cannot hide how late it made everything (coordinated omission: Gil
Tene, "How NOT to Measure Latency", 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.figures import Nanoseconds
from bench.record import NO_KEY, Record

NEVER = -1


@dataclass(frozen=True)
class Plan:
    """Write ``i`` (from 0) sets key ``i % keys`` to sequence number ``i // keys + 1``, at ``start_ns + i / rate``."""

    rate: float
    keys: int
    writes: int
    start_ns: int

    def intended_ns(self) -> Nanoseconds:
        """When each write was to be sent, as Unix time in ns."""
        return self.start_ns + (np.arange(self.writes) * (1e9 / self.rate)).astype(np.int64)


@dataclass(frozen=True)
class Handled:
    """Per write of a plan: when its event was seen, and when it was done with. Unix time in ns, or NEVER.

    Of a key's writes that were handled together only the last one's event has a known time.
    """

    seen_ns: Nanoseconds
    done_ns: Nanoseconds

    @property
    def unhandled(self) -> int:
        """How many writes nothing was recorded of."""
        return int(np.count_nonzero(self.done_ns == NEVER))


def handled(plan: Plan, record: Record) -> Handled:
    """Which write was handled when. Of a write that was handled more than once, the first time counts.

    Raises ValueError for a record of writes that the plan does not have.
    """
    key, first, last, seen, done = record.columns()
    counts = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(counts)), counts)
    # Sequence numbers that run from each row's first to its last.
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + first[row]
    write = np.where(key[row] == NO_KEY, number - 1, (number - 1) * plan.keys + key[row])
    if len(write) and not (0 <= int(write.min()) <= int(write.max()) < plan.writes and int(key.max()) < plan.keys):
        raise ValueError("the record has writes that were never planned")
    result = Handled(np.full(plan.writes, NEVER), np.full(plan.writes, NEVER))
    # Backwards: what is assigned last stays.
    result.done_ns[write[::-1]] = done[row][::-1]
    has_seen = (number == last[row]) | (key[row] == NO_KEY)
    result.seen_ns[write[has_seen][::-1]] = seen[row][has_seen][::-1]
    return result


@dataclass(frozen=True)
class Delays:
    """Of the writes after the warm-up, in ns: until handled (all of them) and until their events were seen.

    A write that was not handled when the contender ended counts as one that took until then, and is never in time.
    """

    until_done: Nanoseconds
    until_seen: Nanoseconds
    in_time: int


def delays(plan: Plan, times: Handled, ended_ns: int, warmup_s: float, in_time_ns: int) -> Delays:
    """How long writes took that were due at least ``warmup_s`` seconds after the start."""
    intended = plan.intended_ns()
    measured = intended >= plan.start_ns + int(warmup_s * 1e9)
    intended = intended[measured]
    done, seen = times.done_ns[measured], times.seen_ns[measured]
    until_done = np.where(done == NEVER, ended_ns, done) - intended
    in_time = int(np.count_nonzero((until_done <= in_time_ns) & (done != NEVER)))
    return Delays(until_done, (seen - intended)[seen != NEVER], in_time)
