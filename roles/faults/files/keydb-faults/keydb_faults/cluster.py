"""The cluster as the inventory has it, which is all that a schedule looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """A host of the cluster: its address on the cluster network, and its observers, such as ``listener-sync``."""

    name: str
    address: str
    observers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """All nodes, in the inventory's order."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, hosts: Mapping[str, Mapping[str, Any]]) -> Cluster:
        """From each host's ``address`` and ``roles``, as a run notes them; a role that is not keydb is an observer."""
        return cls(
            tuple(
                Node(name, host["address"], tuple(role for role in host["roles"] if role != "keydb"))
                for name, host in hosts.items()
            )
        )

    @property
    def minority(self) -> int:
        """How many nodes are fewer than half of them, at most."""
        return (len(self.nodes) - 1) // 2

    def addresses(self, nodes: Sequence[Node]) -> list[str]:
        """The addresses of these nodes."""
        return [node.address for node in nodes]

    def others(self, *nodes: Node) -> list[Node]:
        """All nodes but these."""
        return [node for node in self.nodes if node not in nodes]
