"""What the rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .problem import Problem

NODES = "keydb_nodes"
WRITER = "observer_writer"
LISTENERS = ("observer_listener_sync", "observer_listener_async")
MONITORING = "monitoring"
GROUPS = (NODES, WRITER, *LISTENERS, MONITORING)


@dataclass(frozen=True)
class Inventory:
    """The whole inventory after templating.

    ``hosts`` has the values of each host that could be resolved and have the right type; what is wrong by itself was
    reported and is left out, so a rule that misses a value says nothing.
    """

    hosts: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, Sequence[str]]
    owned_directives: frozenset[str] = field(default_factory=frozenset)

    @property
    def nodes(self) -> list[str]:
        """Names of the hosts that run an engine."""
        return self.members(NODES)

    def members(self, group: str) -> list[str]:
        """Names of a group's hosts; a group that does not exist has none."""
        return list(self.groups.get(group, ()))

    def get(self, host: str, name: str, default: Any = None) -> Any:
        """A host's value, or the default if it has none that can be used."""
        return self.hosts.get(host, {}).get(name, default)

    def values(self, name: str) -> Iterator[tuple[str, Any]]:
        """(host, value) of each engine host that has a usable value of this variable."""
        for host in self.nodes:
            if name in self.hosts.get(host, {}):
                yield host, self.hosts[host][name]


Rule = Callable[[Inventory], Iterator[Problem]]
