"""What a server says about itself in INFO, in one form for KeyDB, Valkey and Redis."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PRIMARY_LINK = re.compile(r"master(?P<index>_\d+)?_link_status")
_REPLICA_LINK = re.compile(r"slave\d+")


@dataclass(frozen=True)
class Link:
    """A replication link, to ``peer`` (``host:port``) as this server knows it."""

    peer: str
    is_up: bool


@dataclass(frozen=True)
class NodeFacts:
    """``links_expected`` is how many a server of this role has in a cluster of this many nodes."""

    role: str
    engine: str
    version: str
    is_loading: bool
    links: tuple[Link, ...]
    links_expected: int

    @property
    def links_up(self) -> int:
        """How many of its links are up."""
        return sum(link.is_up for link in self.links)

    @classmethod
    def from_info(cls, info: Mapping[str, Any], node_count: int) -> NodeFacts:
        """Reads redis-py's dictionary of INFO."""
        engine, version = _engine(info)
        stated = str(info.get("role", "unknown"))
        role = {"active-replica": "active replica", "master": "primary", "slave": "replica"}.get(stated, stated)
        return cls(
            role=role,
            engine=engine,
            version=version,
            is_loading=bool(int(info.get("loading", 0))),
            links=_links_to_replicas(info) if role == "primary" else _links_to_primaries(info),
            links_expected=1 if role == "replica" else node_count - 1,
        )


@dataclass(frozen=True)
class Counters:
    """What a server has counted since it was started (``run`` tells one start from another).

    ``commands`` counts replicated ones too, ``input_bytes`` and ``output_bytes`` are the network's. ``clients`` and
    ``memory_bytes`` are what it has now. What it does not tell is 0.
    """

    run: str
    commands: int
    input_bytes: int
    output_bytes: int
    clients: int
    memory_bytes: int

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Counters:
        """Reads redis-py's dictionary of INFO."""
        return cls(
            run=str(info.get("run_id", "")),
            commands=int(info.get("total_commands_processed", 0)),
            input_bytes=int(info.get("total_net_input_bytes", 0)),
            output_bytes=int(info.get("total_net_output_bytes", 0)),
            clients=int(info.get("connected_clients", 0)),
            memory_bytes=int(info.get("used_memory", 0)),
        )


def parse_info(text: bytes) -> dict[str, str]:
    """The fields of INFO as the server sends it, by name. Values stay text."""
    pairs = (line.partition(":") for line in text.decode(errors="replace").splitlines())
    return {name: value for name, separator, value in pairs if separator}


def _engine(info: Mapping[str, Any]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "Valkey", str(info["valkey_version"])
    # KeyDB calls itself redis_version. Its INFO has a field that neither of the others ever had.
    return "KeyDB" if "storage_provider" in info else "Redis", str(info.get("redis_version", "unknown"))


def _links_to_primaries(info: Mapping[str, Any]) -> tuple[Link, ...]:
    links = []
    for field, status in info.items():
        match = _PRIMARY_LINK.fullmatch(field)
        if match:
            one = f"master{match['index'] or ''}"
            links.append(Link(f"{info.get(f'{one}_host')}:{info.get(f'{one}_port')}", status == "up"))
    return tuple(links)


def _links_to_replicas(info: Mapping[str, Any]) -> tuple[Link, ...]:
    return tuple(
        Link(f"{replica.get('ip')}:{replica.get('port')}", replica.get("state") == "online")
        for field, replica in info.items()
        if _REPLICA_LINK.fullmatch(field) and isinstance(replica, dict)
    )
