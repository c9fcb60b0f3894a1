"""What is to be measured, between whom."""

from __future__ import annotations

from collections.abc import Iterator

from .limits import Range
from .model import NODES, Inventory
from .problem import Problem, shown

_ITEMS = {
    # A tool's values are all in memory, and a server of a run has little of it.
    "bench_sizes": Range(1, 65_536, "bytes"),
    "bench_pipelines": Range(1, 1000, "requests"),
    "bench_connections": Range(1, 1000, "connections"),
    "bench_threads": Range(1, 64, "threads"),
}
_NEVER_EMPTY = (
    *_ITEMS,
    "bench_parts",
    "bench_engines",
    "bench_operations",
    "bench_tls",
    "bench_authentication",
    "bench_persistence",
)


def item_problems(inventory: Inventory) -> Iterator[Problem]:
    """Every value of an axis is in its range, and each axis has one."""
    for name, allowed in _ITEMS.items():
        for host, values in inventory.values(name):
            for index, value in enumerate(values):
                if value not in allowed:
                    yield Problem(f"{name}[{index}]", host, shown(value), str(allowed), "is out of range")
    for name in _NEVER_EMPTY:
        for host, values in inventory.values(name):
            if not values:
                yield Problem(name, host, "[]", "one value or more", "is empty")


def node_problems(inventory: Inventory) -> Iterator[Problem]:
    """No more nodes than there are."""
    allowed = Range(1, max(1, len(inventory.nodes)), "nodes")
    for host, values in inventory.values("bench_nodes"):
        for index, value in enumerate(values):
            if value not in allowed:
                yield Problem(f"bench_nodes[{index}]", host, shown(value), str(allowed), "is out of range")


def host_problems(inventory: Inventory) -> Iterator[Problem]:
    """Server and client are nodes, and not the same one: each would take the processors of the other."""
    for name in ("bench_server", "bench_client"):
        for host, value in inventory.values(name):
            if value not in inventory.nodes:
                allowed = "an inventory name: " + ", ".join(inventory.nodes)
                yield Problem(name, host, shown(value), allowed, f"is not a host of {NODES}")
    for host, server in inventory.values("bench_server"):
        client = inventory.get(host, "bench_client", "")
        # With a single node there is no other one; the playbook says so.
        if client == server and len(inventory.nodes) > 1:
            yield Problem("bench_client", host, shown(client), "another host than bench_server", "is the server")


RULES = (item_problems, node_problems, host_problems)
