"""Ansible filters: from the lab's few parameters to its nodes, their inventory and what podman has to do."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

FIRST_ADDRESS = 11
MAX_NODES = 20
OBSERVERS = ("observer_writer", "observer_listener_sync", "observer_listener_async")


def mac_of(address: ipaddress.IPv4Address) -> str:
    """A locally administered MAC made of the address: the same after every restart, and unlike any other node's."""
    return "02:4b:" + ":".join(f"{byte:02x}" for byte in address.packed)


def lab_nodes(count: int | str, name: str, management_cidr: str, cluster_cidr: str) -> list[dict[str, str]]:
    """The nodes of a lab, ``node1`` to ``nodeN``, with their addresses on both networks.

    Args:
        count: Number of nodes, 1 to 20.
        name: Name of the lab, first part of the containers' names.
        management_cidr: Network of SSH.
        cluster_cidr: Dedicated network of the engine.

    Raises:
        ValueError: A number out of range, or a network that is too small or not one.
    """
    wanted = int(count) if str(count).isdecimal() else 0
    if not 1 <= wanted <= MAX_NODES:
        raise ValueError(f"LAB_NODES={count}: allowed are 1 to {MAX_NODES}")
    management, cluster = ipaddress.IPv4Network(management_cidr), ipaddress.IPv4Network(cluster_cidr)
    if management.overlaps(cluster):
        raise ValueError(f"{management} and {cluster} overlap: management and cluster network are two networks")
    for network in (management, cluster):
        # The last address is the broadcast's.
        if network.num_addresses <= FIRST_ADDRESS + wanted:
            raise ValueError(f"{network} is too small for {count} nodes: the first one has address {FIRST_ADDRESS}")
    nodes = []
    for index in range(wanted):
        on_management, on_cluster = management[FIRST_ADDRESS + index], cluster[FIRST_ADDRESS + index]
        nodes.append(
            {
                "name": f"node{index + 1}",
                "container": f"{name}-node{index + 1}",
                "management_address": str(on_management),
                "management_mac": mac_of(on_management),
                "cluster_address": str(on_cluster),
                "cluster_mac": mac_of(on_cluster),
            }
        )
    return nodes


def lab_inventory(nodes: list[dict[str, str]]) -> dict[str, Any]:
    """The inventory of the lab: every node an engine host, the three observers on different nodes as far as they go."""
    hosts = {
        node["name"]: {"ansible_host": node["management_address"], "cluster_network_address": node["cluster_address"]}
        for node in nodes
    }
    groups: dict[str, Any] = {"keydb_nodes": {"hosts": hosts}}
    for index, group in enumerate(OBSERVERS):
        groups[group] = {"hosts": {nodes[index % len(nodes)]["name"]: {}}}
    return {"all": {"children": groups}}


def lab_overlaps(cidr: str, used: Mapping[str, str]) -> list[str]:
    """Networks of this machine that a lab's network would collide with, as ``network (device)``.

    Args:
        cidr: The lab's network.
        used: Networks that the machine has routes to, and their devices.
    """
    network = ipaddress.IPv4Network(cidr)
    return [
        f"{other} ({device})"
        for other, device in used.items()
        if network.overlaps(ipaddress.IPv4Network(other, strict=False))
    ]


def lab_reachable_proxy(proxy: str, management_cidr: str) -> str:
    """A proxy's address as the nodes see it: one on this machine's loopback is reached at their network's gateway."""
    gateway = ipaddress.IPv4Network(management_cidr)[1]
    return re.sub(r"//(localhost|127\.[\d.]+)(?=[:/]|$)", f"//{gateway}", proxy)


def lab_digest(value: object) -> str:
    """A short hash of any value: equal values, equal hash."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def lab_source_line(source: Mapping[str, Any]) -> str:
    """One source as a line of ``sources.list``."""
    return f"deb [signed-by={source['signed_by']}] {source['uri']} {source['suite']} {' '.join(source['components'])}"


def lab_read(path: str) -> str:
    """Content of a file of the controller."""
    return Path(path).read_text(encoding="utf-8")


def lab_actions(
    nodes: list[dict[str, str]], existing: Iterable[Mapping[str, Any]], label: str, digest: str
) -> dict[str, list[Any]]:
    """What podman has to do so that exactly the wanted nodes run.

    Args:
        nodes: The wanted nodes.
        existing: Containers of this lab as ``podman ps --all --format json`` lists them.
        label: Label that holds the hash of a container's definition.
        digest: That hash now.

    Returns:
        ``remove``: containers that are no longer wanted, were defined otherwise or never got as far as a first start;
        ``create``: nodes to create; ``start``: nodes that are stopped or new.
    """
    usable: dict[str, str] = {}
    remove = []
    wanted = {node["container"] for node in nodes}
    for container in existing:
        name, state = container["Names"][0], container["State"].lower()
        if name in wanted and (container.get("Labels") or {}).get(label) == digest and state in ("running", "exited"):
            usable[name] = state
        else:
            remove.append(name)
    return {
        "remove": sorted(remove),
        "create": [node for node in nodes if node["container"] not in usable],
        "start": [node for node in nodes if usable.get(node["container"]) != "running"],
    }


class FilterModule:
    """The filters of this role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "lab_actions": lab_actions,
            "lab_digest": lab_digest,
            "lab_inventory": lab_inventory,
            "lab_nodes": lab_nodes,
            "lab_overlaps": lab_overlaps,
            "lab_read": lab_read,
            "lab_reachable_proxy": lab_reachable_proxy,
            "lab_source_line": lab_source_line,
        }
