"""What the playbook has left beside the captures: who is who, what was done meanwhile, what is known to be clear."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Listener:
    """A port that a node listens at, and what it said to a PING in the clear."""

    port: int
    program: str
    answer: bytes


@dataclass(frozen=True)
class Captured:
    """One node's capture and what its host did meanwhile; times are Unix time in ns of that host's clock.

    ``writes_seen`` is how many writes its engine executed between the two times, its own and replicated ones.
    """

    address: str
    pcap: str
    interface: str
    said: str
    marker: bytes
    written: int
    begun_ns: int
    ended_ns: int
    writes_seen: int
    problems: tuple[str, ...]
    listeners: tuple[Listener, ...]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Captured:
        """From the run's JSON. What was not done is nothing."""
        traffic = found.get("traffic") or {}
        return cls(
            address=found["address"],
            pcap=found["pcap"],
            interface=found.get("interface", ""),
            said=found.get("said", ""),
            marker=traffic.get("marker", "").encode(),
            written=traffic.get("written", 0),
            begun_ns=traffic.get("begun_ns", 0),
            ended_ns=traffic.get("ended_ns", 0),
            writes_seen=traffic.get("writes_seen", 0),
            problems=tuple(traffic.get("problems", ["nothing was written meanwhile"])),
            listeners=tuple(
                Listener(each["port"], each["program"], bytes.fromhex(each["answer"]))
                for each in found.get("listeners", [])
            ),
        )


@dataclass(frozen=True)
class Run:
    """``addresses`` has every node of the cluster, ``captured`` those of which there is a capture, by name.

    ``exempt`` is a port to what is known to be spoken there in the clear.
    """

    taken_at: str
    seconds: float
    largest_bytes: int
    port: int
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    addresses: Mapping[str, str]
    exempt: Mapping[int, str]
    left_out: tuple[str, ...]
    captured: Mapping[str, Captured]

    @classmethod
    def read(cls, directory: Path) -> Run:
        """Raises OSError, and ValueError or KeyError where it is not what the playbook writes."""
        found = json.loads((directory / "run.json").read_text(encoding="utf-8"))
        return cls(
            taken_at=found["taken_at"],
            seconds=found["seconds"],
            largest_bytes=found["largest_bytes"],
            port=found["port"],
            network=ipaddress.ip_network(found["network"], strict=False),
            addresses=found["addresses"],
            exempt={each["port"]: each["what"] for each in found["exempt"]},
            left_out=tuple(found["left_out"]),
            captured={name: Captured.of(each) for name, each in found["captured"].items()},
        )

    def name_of(self, address: str) -> str:
        """The node that has this address, or else the address."""
        return next((name for name, own in self.addresses.items() if own == address), address)

    def is_inside(self, address: str) -> bool:
        """Whether the address is on the cluster network, or reaches no further than its wire."""
        found = ipaddress.ip_address(address)
        return found in self.network or found.is_link_local
