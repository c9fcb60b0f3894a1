"""Whether only those went down that were meant to, and how long it took until all was as before.

Times of different hosts are compared here, so each is allowed to be off by a second.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.judge_keys import Finding
from keydb_observer.judge_records import SERVER_UNIT, Fault, Read, Sample, ServiceEvent

CLOCKS_NS = NS_PER_SECOND
COMING_BACK_NS = 10 * NS_PER_SECOND
"""After a fault is undone, its host's server may still go down so late for its sake."""
JOINING_NS = 30 * NS_PER_SECOND
"""A server may take so long to take part again, and only then its start is told. How it went down a reboot may hide."""
LONGEST_GAP_NS = 5 * NS_PER_SECOND
"""Between two samples. In a longer one a node may have been down unseen."""

_SHORTEST_AWAY_NS = 3 * NS_PER_SECOND // 2
_STARTED = "started"
_DOWN = ("stopped", "died", "failed")


@dataclass(frozen=True)
class Times:
    """Of many measurements, in seconds; None where there was none."""

    median: float | None = None
    p90: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """The 90th percentile is by the nearest rank."""
        if not seconds:
            return cls()
        ordered = sorted(seconds)
        nearest = ordered[-(-len(ordered) * 9 // 10) - 1]
        return cls(*(round(each, 3) for each in (statistics.median(ordered), nearest, ordered[-1])))

    def as_json(self) -> dict[str, float | None]:
        """By the names."""
        return {"median": self.median, "p90": self.p90, "max": self.max}


class Expected:
    """When each host's server was meant to be down."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._windows: dict[str, list[tuple[int, int]]] = {}
        for fault in faults:
            if not fault.is_done or fault.begun_ns is None or fault.undone_ns is None:
                continue
            window = (fault.begun_ns - CLOCKS_NS, fault.undone_ns + COMING_BACK_NS)
            for host in fault.expected_down:
                self._windows.setdefault(host, []).append(window)

    def down(self, host: str, at_ns: int, since_ns: int | None = None) -> bool:
        """Whether this host's server may go down at this time, or since another one, for the sake of a fault."""
        since_ns = at_ns if since_ns is None else since_ns
        return any(begin <= at_ns and since_ns <= end for begin, end in self._windows.get(host, ()))


def bystander_crashes(
    services: Mapping[str, Sequence[ServiceEvent]], expected: Expected, begun_ns: int
) -> list[Finding]:
    """Servers that went down, or came up without having been seen to go down, though nobody meant them to."""
    found = []
    for host, events in services.items():
        is_down = False
        for event in sorted(events, key=lambda event: event.at_ns):
            if event.unit != SERVER_UNIT or event.at_ns < begun_ns or event.what not in (*_DOWN, _STARTED):
                continue
            was_down, is_down = is_down, event.what != _STARTED
            since_ns = event.at_ns - (JOINING_NS if event.what == _STARTED else 0)
            # Of a server that dies, is started again and fails, each fall counts, but not the rise after it.
            if not was_down and not expected.down(host, event.at_ns, since_ns):
                text = f"the server {event.what} by itself: {event.detail}".rstrip(": ")
                found.append(Finding(text, host=host, at_ns=event.at_ns))
    return found


@dataclass(frozen=True)
class Downtime:
    """The longest that a node was down though nobody meant it to be, in seconds, and where samples left a gap."""

    longest_s: float = 0.0
    finding: Finding | None = None
    gaps: list[Finding] = field(default_factory=list)


def longest_down(samples: Mapping[str, Sequence[Sample]], expected: Expected) -> Downtime:
    """By the samples, from the first that shows a node down to the next that does not. Loading is being down."""
    longest_s, finding = 0.0, None
    gaps: list[Finding] = []
    for host, of_host in samples.items():
        gaps += _gaps(host, of_host, expected)
        for began_ns, ended_ns in _downs(of_host):
            lasted_s = (ended_ns - began_ns) / NS_PER_SECOND
            if lasted_s > longest_s and not expected.down(host, began_ns):
                longest_s = lasted_s
                finding = Finding(f"the server was down for {lasted_s:.1f} s", host=host, at_ns=began_ns)
    return Downtime(round(longest_s, 3), finding, gaps)


def _downs(samples: Sequence[Sample]) -> Iterable[tuple[int, int]]:
    """When a node went down, and when it was up again or was looked at for the last time."""
    began_ns: int | None = None
    for sample in samples:
        if not sample.serves:
            began_ns = began_ns or sample.at_ns
        elif began_ns:
            yield began_ns, sample.at_ns
            began_ns = None
    if began_ns:
        yield began_ns, samples[-1].at_ns


def _gaps(host: str, samples: Sequence[Sample], expected: Expected) -> Iterable[Finding]:
    for one, other in pairwise(samples):
        gap_ns = other.at_ns - one.at_ns
        if gap_ns > LONGEST_GAP_NS and not expected.down(host, one.at_ns) and not expected.down(host, other.at_ns):
            text = f"nothing is known of it for {gap_ns / NS_PER_SECOND:.1f} s"
            yield Finding(text, host=host, at_ns=one.at_ns)


@dataclass(frozen=True)
class Recovery:
    """What followed one fault: when its hosts had all their links (Unix time), and how long that took, in seconds.

    ``broke`` is whether a server or a link was down at all. ``events_again_s`` is from when all links were up until the
    last of its hosts' listeners had read again; None: nobody listens there.
    """

    fault: Fault
    broke: bool
    whole_ns: int
    links_up_s: float
    events_again_s: float | None = None


def recoveries(
    faults: Iterable[Fault], samples: Mapping[str, Sequence[Sample]], reads: Mapping[str, Sequence[Read]]
) -> tuple[list[Recovery], list[Finding]]:
    """What followed each fault, and of what nothing followed any more."""
    whole = {host: [sample.at_ns for sample in of_host if sample.is_whole] for host, of_host in samples.items()}
    listeners = {(host, name): times for host, of_host in reads.items() for name, times in _by_listener(of_host)}
    found: list[Recovery] = []
    never: list[Finding] = []
    for fault in faults:
        undone_ns = fault.undone_ns
        hosts = [host for host in fault.hosts if host in whole]
        if not fault.is_done or undone_ns is None or not hosts:
            continue
        firsts = {host: _first(whole[host], undone_ns) for host in hosts}
        late = [host for host, first in firsts.items() if first is None]
        if late:
            text = f"the links did not all come up again after {fault.name}"
            never.append(Finding(text, host=", ".join(late), at_ns=undone_ns))
            continue
        whole_ns = max(first for first in firsts.values() if first is not None)
        seen = {who: _first(times, whole_ns) for who, times in listeners.items() if who[0] in hosts}
        silent = [f"{name} on {host}" for (host, name), first in seen.items() if first is None]
        if silent:
            never.append(Finding(f"{', '.join(silent)} read nothing more after {fault.name}", at_ns=whole_ns))
        waits_s = [(first - whole_ns) / NS_PER_SECOND for first in seen.values() if first is not None]
        broke = any(_broke(samples[host], fault) for host in hosts)
        again_s = max(waits_s) if waits_s else None
        found.append(Recovery(fault, broke, whole_ns, (whole_ns - undone_ns) / NS_PER_SECOND, again_s))
    return found, never


def _broke(samples: Sequence[Sample], fault: Fault) -> bool:
    """Whether a host was seen not to be whole for the sake of a fault, or was not seen: then it was away itself."""
    begin_ns, end_ns = fault.begun_ns or 0, (fault.undone_ns or 0) + CLOCKS_NS
    return any(
        not other.is_whole or other.at_ns - one.at_ns > _SHORTEST_AWAY_NS
        for one, other in pairwise(samples)
        if other.at_ns >= begin_ns and one.at_ns <= end_ns
    )


def _by_listener(reads: Sequence[Read]) -> Iterable[tuple[str, list[int]]]:
    ordered = sorted(reads, key=lambda read: (read.listener, read.at_ns))
    for listener, group in groupby(ordered, key=lambda read: read.listener):
        yield listener, [read.at_ns for read in group]


def _first(times: Sequence[int], since_ns: int) -> int | None:
    """The first of these times, which are in order, that is not before."""
    place = bisect_left(times, since_ns)
    return times[place] if place < len(times) else None
