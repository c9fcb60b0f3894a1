"""Who makes nodes equal that have come to differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .model import NODES, Inventory
from .problem import ALL_HOSTS, Problem, shown


def engine_problems(inventory: Inventory) -> Iterator[Problem]:
    """Only nodes that all take writes can be made equal by writing to them."""
    for host, enabled in inventory.values("healing_enabled"):
        engine = inventory.get(host, "keydb_engine", "keydb")
        if enabled and engine != "keydb":
            yield Problem("healing_enabled", host, shown(enabled), f"false with {engine}", "is for KeyDB only")


def node_problems(inventory: Inventory) -> Iterator[Problem]:
    """healing_node names a node, and the same one everywhere: two would be in each other's way."""
    hosts_of = defaultdict(list)
    for host, node in inventory.values("healing_node"):
        hosts_of[str(node)].append(host)
        if node not in inventory.nodes:
            allowed = "an inventory name: " + ", ".join(inventory.nodes)
            yield Problem("healing_node", host, shown(node), allowed, f"is not a host of {NODES}")
    if len(hosts_of) > 1:
        given = " and ".join(f"{node} on {', '.join(hosts)}" for node, hosts in hosts_of.items())
        yield Problem("healing_node", ALL_HOSTS, given, "one node for all of them", "differs between nodes")


RULES = (engine_problems, node_problems)
