"""Who is in which group."""

from __future__ import annotations

from collections.abc import Iterator

from .model import LISTENERS, NODES, WRITER, Inventory
from .problem import ALL_HOSTS, Problem, shown

_FEWEST_NODES = 2


def node_count_problems(inventory: Inventory) -> Iterator[Problem]:
    """There are nodes, and each has a peer to replicate with."""
    nodes = inventory.nodes
    if not nodes:
        yield Problem(NODES, ALL_HOSTS, "no host", f"{_FEWEST_NODES} hosts or more", "has no host")
    elif len(nodes) < _FEWEST_NODES:
        given = f"1 host: {nodes[0]}"
        yield Problem(NODES, nodes[0], given, f"{_FEWEST_NODES} hosts or more", "has no peer to replicate with")


def observer_membership_problems(inventory: Inventory) -> Iterator[Problem]:
    """Observers talk to their own host's engine, so each of their hosts has one."""
    for group in (WRITER, *LISTENERS):
        for host in inventory.members(group):
            if host not in inventory.nodes:
                yield Problem(group, host, host, f"hosts of {NODES}", f"is not in {NODES}, it has no engine to talk to")


def one_writer_problems(inventory: Inventory) -> Iterator[Problem]:
    """A key has one writer: two on two nodes can leave their values swapped."""
    writers = inventory.members(WRITER)
    if len(writers) > 1:
        yield Problem(WRITER, ", ".join(writers), shown(writers), "one host", "has more than one writer for one key")


def listener_place_problems(inventory: Inventory) -> Iterator[Problem]:
    """Listeners are on other nodes than the writer: the way between nodes is what they measure."""
    writers = inventory.members(WRITER)
    elsewhere = [host for host in inventory.nodes if host not in writers]
    if not elsewhere:
        return
    for group in LISTENERS:
        for host in inventory.members(group):
            if host in writers and host in inventory.nodes:
                allowed = ", ".join(elsewhere)
                yield Problem(group, host, host, allowed, "is the writer's own host: nothing would cross the network")


def primary_problems(inventory: Inventory) -> Iterator[Problem]:
    """keydb_primary names a node."""
    for host, primary in inventory.values("keydb_primary"):
        if inventory.nodes and primary not in inventory.nodes:
            allowed = "an inventory name: " + ", ".join(inventory.nodes)
            yield Problem("keydb_primary", host, shown(primary), allowed, f"is not a host of {NODES}")


RULES = (
    node_count_problems,
    observer_membership_problems,
    one_writer_problems,
    listener_place_problems,
    primary_problems,
)
