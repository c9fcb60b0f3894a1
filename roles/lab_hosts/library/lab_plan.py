#!/usr/bin/python
"""Ansible module: from the lab's few parameters to its nodes and their inventory."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_plan
short_description: Plan the nodes of a lab
description:
  - Names, addresses and groups of the nodes; refuses what cannot be a lab.
options:
  name:
    description: Name of the lab.
    type: str
    required: true
  count:
    description: Number of nodes, 2 to 20.
    type: str
    required: true
  management_cidr:
    description: IPv4 network of SSH.
    type: str
    required: true
  cluster_cidr:
    description: IPv4 network of the engine.
    type: str
    required: true
  monitoring:
    description: Whether the last node collects all nodes' figures.
    type: bool
    default: false
author: The project
"""

FIRST_ADDRESS = 11
# A node replicates from and to another one.
MIN_NODES, MAX_NODES = 2, 20
NETWORKS = ("management_cidr", "cluster_cidr")
OBSERVERS = ("observer_writer", "observer_listener_sync", "observer_listener_async")


def mac_of(address: ipaddress.IPv4Address) -> str:
    """A locally administered MAC made of the address: the same after every restart, and unlike any other node's."""
    return "02:4b:" + ":".join(f"{byte:02x}" for byte in address.packed)


def network_of(name: str, cidr: str) -> ipaddress.IPv4Network:
    """The network that a parameter names.

    Raises:
        ValueError: It is none.
    """
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(f"{name}={cidr}: not an IPv4 network such as 10.77.0.0/24 ({error})") from None


def plan_nodes(count: int | str, name: str, management_cidr: str, cluster_cidr: str) -> list[dict[str, str]]:
    """The nodes of a lab, ``node1`` to ``nodeN``, with their addresses on both networks.

    Args:
        count: Number of nodes, 2 to 20.
        name: Name of the lab, first part of the containers' names.
        management_cidr: Network of SSH.
        cluster_cidr: Dedicated network of the engine.

    Raises:
        ValueError: A number out of range, or a network that is too small or not one.
    """
    wanted = int(count) if str(count).isdecimal() else 0
    if not MIN_NODES <= wanted <= MAX_NODES:
        raise ValueError(f"LAB_NODES={count}: allowed are {MIN_NODES} to {MAX_NODES}")
    management = network_of("LAB_MANAGEMENT_CIDR", management_cidr)
    cluster = network_of("LAB_CLUSTER_CIDR", cluster_cidr)
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


def plan_inventory(nodes: list[dict[str, str]], *, monitoring: bool = False) -> dict[str, Any]:
    """The inventory of the lab: every node an engine host, the three observers on different nodes as far as they go.

    With ``monitoring`` the last node, on which there is the least else to do, collects all nodes' figures.
    """
    hosts = {
        node["name"]: {"ansible_host": node["management_address"], "cluster_network_address": node["cluster_address"]}
        for node in nodes
    }
    groups: dict[str, Any] = {"keydb_nodes": {"hosts": hosts}}
    # Two nodes: both listeners share the one that the writer is not on.
    for index, group in enumerate(OBSERVERS):
        groups[group] = {"hosts": {nodes[min(index, len(nodes) - 1)]["name"]: {}}}
    if monitoring:
        groups["monitoring"] = {"hosts": {nodes[-1]["name"]: {}}}
    return {"all": {"children": groups}}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "str", "required": True} for name in ("name", "count", *NETWORKS)},
            "monitoring": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        nodes = plan_nodes(given["count"], given["name"], given["management_cidr"], given["cluster_cidr"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    inventory = plan_inventory(nodes, monitoring=given["monitoring"])
    module.exit_json(changed=False, nodes=nodes, inventory=inventory)


if __name__ == "__main__":
    main()
