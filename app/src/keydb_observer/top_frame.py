"""What ``top`` knows at one moment, and nothing of how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keydb_observer.messages import Handshake
from keydb_observer.node_facts import Counters
from keydb_observer.status import ClusterStatus
from keydb_observer.top_rates import NodeRates


@dataclass(frozen=True)
class Silence:
    """A node that does not answer: since when (Unix time in ns), for how long (ns), and why if that is known."""

    since_ns: int
    lasts_ns: int
    why: str | None


@dataclass(frozen=True)
class NodeFrame:
    """One node. ``rates`` are unknown until it has been seen twice, ``silence`` is None while it answers."""

    rates: NodeRates | None = None
    counters: Counters | None = None
    silence: Silence | None = None


@dataclass(frozen=True)
class Frame:
    """All of it, at ``taken_ns`` (Unix time). ``nodes`` has one entry for each of ``status.nodes``.

    ``handshakes`` and ``events`` (per second) are of each listener, by host and name; ``writes`` (per second) of the
    writer. A rate that is not known yet is None.
    """

    taken_ns: int
    interval_s: float
    status: ClusterStatus
    nodes: tuple[NodeFrame, ...]
    handshakes: Mapping[tuple[str, str], Handshake]
    writes: float | None
    events: Mapping[tuple[str, str], float | None]

    @property
    def well(self) -> int:
        """How many nodes answer and have all their links."""
        pairs = zip(self.status.nodes, self.nodes, strict=True)
        return sum(status.is_well and node.silence is None for status, node in pairs)
