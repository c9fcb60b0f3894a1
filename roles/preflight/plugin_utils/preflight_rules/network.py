"""Addresses: the dedicated cluster network and the management addresses beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from .model import Inventory
from .problem import ALL_HOSTS, Problem, shown

_CIDR_ALLOWED = "an IPv4 network such as 10.77.0.0/24, /8 to /30"
_SHORTEST_PREFIX, _LONGEST_PREFIX = 8, 30
_HIGHEST_PORT = 65535
# The kernel's limit, without what a name may not or should not have in configuration files.
_INTERFACE = re.compile(r"(?!lo$|\.)[A-Za-z0-9_.-]{1,15}")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def parsed_address(value: object) -> IPv4Address | None:
    """Return the address, or None if this is not an IPv4 address (a host name, for instance)."""
    try:
        return IPv4Address(str(value))
    except AddressValueError:
        return None


def parsed_network(value: object) -> IPv4Network | None:
    """Return the network, or None if this is not one in CIDR notation of a size that can be used."""
    try:
        network = IPv4Network(str(value))
    except (AddressValueError, NetmaskValueError, ValueError):
        return None
    in_bounds = "/" in str(value) and _SHORTEST_PREFIX <= network.prefixlen <= _LONGEST_PREFIX
    return network if in_bounds else None


def cidr_problems(inventory: Inventory) -> Iterator[Problem]:
    """cluster_network_cidr is there, can be read, and has room for every node."""
    name = "cluster_network_cidr"
    for host in inventory.nodes:
        if name not in inventory.hosts.get(host, {}):
            continue
        value = inventory.get(host, name)
        network = parsed_network(value)
        if network is None:
            yield Problem(name, host, shown(value), _CIDR_ALLOWED, "is not a usable network")
        elif network.num_addresses - 2 < len(inventory.nodes):
            room = f"room for {len(inventory.nodes)} nodes; {network} has {network.num_addresses - 2}"
            yield Problem(name, host, shown(value), room, "is too small")


def address_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each node's cluster_network_address is a host address inside cluster_network_cidr."""
    name = "cluster_network_address"
    for host, value in inventory.values(name):
        address = parsed_address(value)
        network = parsed_network(inventory.get(host, "cluster_network_cidr"))
        if address is None:
            yield Problem(name, host, shown(value), "one IPv4 address such as 10.77.0.11", "is not an IPv4 address")
        elif network is None:
            continue
        elif address not in network:
            yield Problem(name, host, shown(value), f"an address in {network}", "is outside cluster_network_cidr")
        elif address in (network.network_address, network.broadcast_address):
            hosts = f"{network.network_address + 1} to {network.broadcast_address - 1}"
            yield Problem(name, host, shown(value), hosts, "is the network's own or its broadcast address")


def duplicate_address_problems(inventory: Inventory) -> Iterator[Problem]:
    """No two nodes have one cluster address."""
    name = "cluster_network_address"
    hosts_of = defaultdict(list)
    for host, value in inventory.values(name):
        hosts_of[str(value)].append(host)
    for value, hosts in hosts_of.items():
        if len(hosts) > 1:
            yield Problem(name, ", ".join(hosts), shown(value), "an address of its own per host", "is used twice")


def _is_remote(inventory: Inventory, host: str) -> bool:
    return bool(inventory.get(host, "ansible_connection", "ssh") != "local")


def duplicate_management_problems(inventory: Inventory) -> Iterator[Problem]:
    """No two inventory names lead to one machine; forwarded ports of one address are different machines."""
    hosts_of = defaultdict(list)
    for host in inventory.hosts:
        if _is_remote(inventory, host) and inventory.get(host, "ansible_host"):
            end = (str(inventory.get(host, "ansible_host")), str(inventory.get(host, "ansible_port", 22)))
            hosts_of[end].append(host)
    for (address, port), hosts in hosts_of.items():
        if len(hosts) > 1:
            given = shown(address) if port == "22" else f"{shown(address)} port {port}"
            allowed = "a management address of its own per host"
            yield Problem("ansible_host", ", ".join(hosts), given, allowed, "is used twice")


def shared_network_problems(inventory: Inventory) -> Iterator[Problem]:
    """SSH does not go over the cluster network, where it would compete with replication and skew what is measured."""
    for host in inventory.nodes:
        if inventory.get(host, "preflight_allow_shared_network") or not _is_remote(inventory, host):
            continue
        management = parsed_address(inventory.get(host, "ansible_host", host))
        network = parsed_network(inventory.get(host, "cluster_network_cidr"))
        if management is not None and network is not None and management in network:
            yield Problem(
                "ansible_host",
                host,
                shown(str(management)),
                f"an address outside {network}, or preflight_allow_shared_network: true",
                "is inside cluster_network_cidr: management would share the cluster's network",
            )


def port_problems(inventory: Inventory) -> Iterator[Problem]:
    """The engine's port is not the one that SSH listens on."""
    for host, port in inventory.values("keydb_port"):
        if str(port) == str(inventory.get(host, "ansible_port", 22)):
            yield Problem("keydb_port", host, shown(port), "any port but SSH's", "is the port of SSH (ansible_port)")


def firewall_port_problems(inventory: Inventory) -> Iterator[Problem]:
    """The firewall closes real ports to other networks, and never SSH's."""
    for host, ports in inventory.values("firewall_cluster_tcp_ports"):
        ssh = str(inventory.get(host, "ansible_port", 22))
        for index, port in enumerate(ports):
            name = f"firewall_cluster_tcp_ports[{index}]"
            if str(port) == ssh:
                yield Problem(name, host, shown(port), "any port but SSH's", "would cut SSH off (ansible_port)")
            elif not isinstance(port, int) or not 1 <= port <= _HIGHEST_PORT:
                yield Problem(name, host, shown(port), f"1 to {_HIGHEST_PORT}", "is out of range")


def interface_problems(inventory: Inventory) -> Iterator[Problem]:
    """cluster_network_interface names an interface, and the confirmation repeats that name."""
    name, confirmation = "cluster_network_interface", "cluster_network_confirm_interface"
    for host, value in inventory.values(name):
        if value and not _INTERFACE.fullmatch(value):
            allowed = "an interface's name such as eth1, of up to 15 letters, digits and . _ -; or empty"
            yield Problem(name, host, shown(value), allowed, "is not an interface's name")
        confirmed = inventory.get(host, confirmation)
        if confirmed and confirmed != value:
            allowed = f"cluster_network_interface, {shown(value)}; or empty"
            yield Problem(confirmation, host, shown(confirmed), allowed, "confirms another interface")


def domain_problems(inventory: Inventory) -> Iterator[Problem]:
    """Peers have names of their own on the cluster network."""
    name = "cluster_network_domain"
    for host, value in inventory.values(name):
        if not _DOMAIN.fullmatch(value):
            allowed = "a domain such as cluster, of small letters, digits, - and ."
            yield Problem(name, host, shown(value), allowed, "is not a domain")


def measuring_port_problems(inventory: Inventory) -> Iterator[Problem]:
    """Throughput is measured at a port that nothing else of ours has, and that the firewall does not close."""
    name = "cluster_network_iperf_port"
    for host, port in inventory.values(name):
        taken = {inventory.get(host, "keydb_port"), *(inventory.get(host, "firewall_cluster_tcp_ports") or ())}
        if str(port) in {str(other) for other in taken | {inventory.get(host, "ansible_port", 22)}}:
            yield Problem(name, host, shown(port), "a port of its own", "is the port of something else")


def agreement_problems(inventory: Inventory) -> Iterator[Problem]:
    """What all nodes must have in common is the same on every one."""
    for name in MUST_AGREE:
        hosts_of = defaultdict(list)
        for host, value in inventory.values(name):
            hosts_of[shown(value)].append(host)
        if len(hosts_of) > 1:
            given = "; ".join(f"{value} on {', '.join(hosts)}" for value, hosts in hosts_of.items())
            yield Problem(name, ALL_HOSTS, given, "one value for all nodes", "differs between nodes")


MUST_AGREE = (
    "cluster_network_cidr",
    "cluster_network_domain",
    "cluster_network_iperf_port",
    "cluster_network_mtu",
    "keydb_engine",
    "keydb_port",
    "keydb_notify_events_extra",
    "keydb_primary",
    "monitoring_enabled",
    "monitoring_engine_exporter_port",
    "monitoring_node_exporter_port",
    "observers_key",
    "pki_secrets_dir",
    "time_sync_servers",
    "time_sync_upstream",
)

RULES = (
    cidr_problems,
    address_problems,
    duplicate_address_problems,
    duplicate_management_problems,
    shared_network_problems,
    port_problems,
    firewall_port_problems,
    interface_problems,
    domain_problems,
    measuring_port_problems,
    agreement_problems,
)
