"""What crossed the wire at the engine's port: bytes and segments, what was sent again, round trips, and handshakes.

A host counts what it sends, so that nothing is counted at both of its ends; what came from a host without a capture is
counted where it arrives. As the host's kernel hands it to the interface: one that leaves the division of large segments
to its network card counts those as one.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from keydb_capture.packets import End, Hello, Segment
from keydb_capture.request import Captured, Run

_MS_PER_S = 1000


@dataclass
class Pair:
    """From one node to another: what was sent, and how long an acknowledgement of it took (s)."""

    size: int = 0
    segments: int = 0
    retransmissions: int = 0
    acknowledged: list[float] = field(default_factory=list)
    connected: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Round trips as medians, in ms."""
        return {
            "bytes": self.size,
            "segments": self.segments,
            "retransmissions": self.retransmissions,
            "ack_rtt": _median(self.acknowledged),
            "initial_rtt": _median(self.connected),
        }


@dataclass
class Tally:
    """Of all captures of a run."""

    run: Run
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    hellos: dict[tuple[End, End], Hello] = field(default_factory=dict)
    size_in_window: int = 0
    segments_in_window: int = 0
    _streams: set[tuple[str, int]] = field(default_factory=set)

    def add(self, name: str, captured: Captured, segment: Segment) -> None:
        """Takes a segment of this node's capture, if it is of the engine's."""
        if self.run.port not in (segment.source.port, segment.target.port):
            return
        own, source, target = captured.address, segment.source.host, segment.target.host
        if segment.hello:
            self.hellos[segment.source, segment.target] = segment.hello
        others = {each.address for each in self.run.captured.values()}
        if source == own or (target == own and source not in others):
            pair = self._pair(source, target)
            pair.size += segment.size
            pair.segments += 1
            pair.retransmissions += segment.is_retransmission
            if captured.begun_ns <= segment.at_ns <= captured.ended_ns:
                self.size_in_window += segment.size
                self.segments_in_window += 1
        # How long the other end took: what this end takes to acknowledge is no round trip.
        if target == own and segment.ack_rtt is not None:
            self._pair(own, source).acknowledged.append(segment.ack_rtt)
        is_client = source == own and segment.target.port == self.run.port
        if is_client and segment.initial_rtt is not None and (name, segment.stream) not in self._streams:
            self._streams.add((name, segment.stream))
            self._pair(own, target).connected.append(segment.initial_rtt)

    def _pair(self, source: str, target: str) -> Pair:
        return self.pairs.setdefault((self.run.name_of(source), self.run.name_of(target)), Pair())

    @property
    def writes(self) -> float:
        """How many writes the cluster took meanwhile: every node executes each of them, its own and replicated."""
        seen = [captured.writes_seen for captured in self.run.captured.values()]
        return statistics.median(seen) if seen else 0

    def per_write(self, count: int) -> float | None:
        """So much for each write; None without any."""
        return round(count / self.writes, 1) if self.writes else None

    @property
    def retransmissions(self) -> int:
        """Of all pairs."""
        return sum(pair.retransmissions for pair in self.pairs.values())

    def handshakes(self) -> Counter[Hello]:
        """How often each version and cipher was chosen."""
        return Counter(self.hellos.values())


def _median(seconds: list[float]) -> dict[str, float | int] | None:
    """In ms, with how many it is of."""
    if not seconds:
        return None
    return {"median_ms": round(statistics.median(seconds) * _MS_PER_S, 3), "count": len(seconds)}
