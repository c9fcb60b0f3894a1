"""Whether nodes are in a state in which they can be made equal, and how a value is to be written to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keydb_observer.node_facts import NodeFacts
from keydb_observer.nodes import Node


class ReplicaError(Exception):
    """A node is a read-only replica, which takes nothing but what its primary says. The text says what helps."""


class NotNowError(Exception):
    """A node is not whole yet: it loads, or a link of it is down. Repairing around it would make new differences."""


@dataclass(frozen=True)
class Footing:
    """``order`` has the places of the nodes, those first that have run longest.

    ``is_mesh``: what is written at one node reaches others. ``is_stamped``: each node stamps each key with the time of
    its latest write, and can be told to take a value only if its own is not newer. ``history`` changes whenever a node
    was started again or a link came up again.
    """

    order: tuple[int, ...]
    is_mesh: bool
    is_stamped: bool
    history: tuple[str, ...]


def footing_of(nodes: Sequence[Node], infos: Sequence[Mapping[str, str]]) -> Footing:
    """From what each node says in INFO. Raises ReplicaError and NotNowError, which name the node."""
    facts = [NodeFacts.from_info(info, len(nodes)) for info in infos]
    for node, fact in zip(nodes, facts, strict=True):
        if fact.role == "replica":
            raise ReplicaError(
                f"{node} is a read-only replica, and takes only what its primary says; what it holds differently "
                "only a new synchronisation mends: REPLICAOF NO ONE and then REPLICAOF its primary, on that node"
            )
    for node, fact in zip(nodes, facts, strict=True):
        if fact.is_loading:
            raise NotNowError(f"{node} is loading its data")
        for link in fact.links:
            if not link.is_up:
                raise NotNowError(f"the link from {node} to {link.peer} is down")
    is_mesh = any(fact.role == "active replica" for fact in facts)
    uptimes = [int(info.get("uptime_in_seconds", 0)) for info in infos]
    return Footing(
        order=tuple(sorted(range(len(nodes)), key=lambda place: (-uptimes[place], place))),
        is_mesh=is_mesh,
        is_stamped=all(fact.role == "active replica" and fact.engine == "KeyDB" for fact in facts),
        history=tuple(
            " ".join(info.get(name, "") for name in ("run_id", "sync_full", "sync_partial_ok", "sync_partial_err"))
            for info in infos
        ),
    )
