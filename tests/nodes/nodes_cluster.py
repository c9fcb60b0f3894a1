"""A converged cluster as its inventory describes it, and questions to its nodes, many at a time.

A question is a function of one of the modules ``on_node_*``. Its module's text and its arguments travel over the
standard input of one SSH session, and the function runs there as root under the node's own Python: one round trip, and
no secret on any command line.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ON_NODE = (
    "import json, sys; job = json.load(sys.stdin); space = {'__name__': 'on_node'}; "
    "exec(compile(job['source'], 'on_node', 'exec'), space); "
    "json.dump(space[job['function']](**job['arguments']), sys.stdout)"
)


class Secret(str):
    """A password, or a line of a key, that a failing test does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(secret)"


OBSERVERS = {
    "observer-writer": ("observer_writer", "writer"),
    "observer-listener-sync": ("observer_listener_sync", "listener_sync"),
    "observer-listener-async": ("observer_listener_async", "listener_async"),
}
"""Unit of an observer: the inventory's group that has it, and the engine's user that it is."""
LISTENERS = ("observer-listener-sync", "observer-listener-async")


@dataclass(frozen=True)
class Engine:
    """What is particular to an engine: its name in a status, its program, and the distribution's units to be masked."""

    title: str
    program: str
    masked: tuple[str, ...]
    is_mesh: bool = False


ENGINES = {
    "keydb": Engine("KeyDB", "keydb-server", ("keydb-sentinel.service",), is_mesh=True),
    "valkey": Engine("Valkey", "valkey-server", ("valkey-server.service", "valkey-sentinel.service")),
    "redis": Engine("Redis", "redis-server", ("redis-server.service", "redis-sentinel.service")),
}


@dataclass(frozen=True)
class Node:
    """One host of the group keydb_nodes."""

    name: str
    variables: dict[str, Any] = field(repr=False)
    ssh_options: tuple[str, ...] = field(repr=False)
    groups: frozenset[str]

    @property
    def address(self) -> str:
        """On the cluster network."""
        return str(self.variables["cluster_network_address"])

    @property
    def management_address(self) -> str:
        return str(self.variables["ansible_host"])

    @property
    def observers(self) -> list[str]:
        """Units of the observers that the inventory puts here."""
        return [unit for unit, (group, _) in OBSERVERS.items() if group in self.groups]

    @property
    def units(self) -> list[str]:
        """Every unit of ours that belongs here."""
        return ["keydb-server", "keydb-cluster-firewall", *self.observers]

    def ask(self, question: Callable[..., Any], timeout: float = 60, **arguments: Any) -> Any:
        """The answer of a question, as JSON carries it; ``timeout`` in seconds for all of it."""
        job = {
            "source": inspect.getsource(sys.modules[question.__module__]),
            "function": question.__name__,
            "arguments": arguments,
        }
        user = self.variables.get("ansible_user")
        command = ["ssh", *self.ssh_options, *(["-l", user] if user else []), self.management_address]
        asked = subprocess.run(
            [*command, shlex.join(["sudo", "-n", "python3", "-c", ON_NODE])],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert asked.returncode == 0, f"{question.__name__} on {self.name}: {asked.stderr}"
        return json.loads(asked.stdout)


@dataclass(frozen=True)
class Cluster:
    """All nodes, by name, and where the controller keeps their secrets."""

    nodes: dict[str, Node]
    variables: dict[str, Any] = field(repr=False)
    inventory_dir: Path
    engine_name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "engine_name", self.variables.get("keydb_engine", "keydb"))

    @property
    def engine(self) -> Engine:
        return ENGINES[self.engine_name]

    @property
    def port(self) -> int:
        return int(self.variables.get("keydb_port", 6379))

    @property
    def key(self) -> str:
        """The key that is written and listened to."""
        return str(self.variables.get("observers_key", "shared_key"))

    @property
    def interval(self) -> float:
        """Seconds between two writes."""
        return float(self.variables.get("observers_interval", 10))

    def metrics_port(self, unit: str) -> int:
        """Where an observer serves its figures."""
        defaults = {"writer": 9611, "listener-sync": 9612, "listener-async": 9613}
        return int(self.variables.get("observers_metrics_ports", defaults)[unit.removeprefix("observer-")])

    def ports_of(self, node: Node) -> list[int]:
        """TCP ports of a node that are for the cluster network only."""
        exporters = [9100, 9121] if any("monitoring" in each.groups for each in self.nodes.values()) else []
        return [self.port, *(self.metrics_port(unit) for unit in node.observers), *exporters]

    @property
    def primary(self) -> str:
        """The one node that takes writes, where there is only one."""
        return str(self.variables.get("keydb_primary") or next(iter(self.nodes)))

    def is_writable(self, node: Node) -> bool:
        return self.engine.is_mesh or node.name == self.primary

    def next_to(self, node: Node) -> Node:
        """Another node."""
        names = list(self.nodes)
        return self.nodes[names[(names.index(node.name) + 1) % len(names)]]

    def links_of(self, node: Node) -> int:
        """Replication links that the node's status must show as up."""
        return len(self.nodes) - 1 if self.is_writable(node) else 1

    def with_observer(self, unit: str) -> list[Node]:
        return [node for node in self.nodes.values() if unit in node.observers]

    @property
    def addresses(self) -> dict[str, str]:
        """Node to its address on the cluster network."""
        return {name: node.address for name, node in self.nodes.items()}

    @property
    def secrets_dir(self) -> Path:
        given = str(self.variables.get("pki_secrets_dir", "{{ inventory_dir }}/.secrets"))
        return Path(re.sub(r"{{\s*inventory_dir\s*}}", str(self.inventory_dir), given))

    @cached_property
    def passwords(self) -> dict[str, Secret]:
        """User of the engine to password, as the inventory gives it or the controller generated it."""
        files = (self.secrets_dir / "passwords").iterdir()
        generated = {path.name: path.read_text(encoding="utf-8").strip() for path in files}
        given = generated | self.variables.get("keydb_passwords", {})
        return {user: Secret(password) for user, password in given.items()}
