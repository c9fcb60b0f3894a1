"""What one host must be, decided from its facts and from what ``preflight_probe`` read on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problem import Problem, one_of, shown

NEEDED_FACTS = (
    "architecture",
    "distribution",
    "distribution_major_version",
    "distribution_release",
    "distribution_version",
    "interfaces",
    "memtotal_mb",
    "service_mgr",
)
_OLDEST_PYTHON = (3, 9)
_UPSTREAM = "download.keydb.dev"
# Releases with a package, where not every supported one has it. Valkey in bookworm comes from its backports.
_PACKAGED_FOR: Mapping[str, tuple[str, ...]] = {
    "keydb": ("bookworm", "jammy"),
    "valkey": ("bookworm", "trixie", "noble"),
}


@dataclass(frozen=True)
class Host:
    """One host: its resolved variables and what it is. Sizes in MB (2**20 bytes), skew in s."""

    name: str
    values: Mapping[str, Any]
    is_node: bool
    distribution: str
    version: str
    release: str
    service_manager: str
    architecture: str
    memory_mb: int
    free_mb: int
    free_path: str
    python: tuple[int, ...]
    clock_skew: float
    interfaces: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    management_address: str = ""

    def interface_of(self, address: str) -> str | None:
        """Name of the interface that has the address."""
        return next((nic for nic, addresses in self.addresses.items() if address in addresses), None)


def missing_facts(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts that the rules need and that were not gathered."""
    return [name for name in NEEDED_FACTS if name not in facts]


def addresses_by_interface(facts: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the IPv4 addresses of each interface, loopback left out."""
    result = {}
    for nic in facts.get("interfaces", ()):
        details = facts.get(str(nic).replace("-", "_").replace(".", "_").replace(":", "_"), {})
        first = details.get("ipv4") or {}
        entries = [first, *(details.get("ipv4_secondaries") or [])]
        addresses = tuple(str(entry["address"]) for entry in entries if entry.get("address"))
        if addresses and details.get("type") != "loopback" and nic != "lo":
            result[str(nic)] = addresses
    return result


def clock_skew(before_ns: int, host_ns: int, after_ns: int) -> float:
    """Return how far at least the host's clock is off the controller's, in s, signed (positive: ahead).

    The host read its clock at an unknown moment between ``before_ns`` and ``after_ns`` of the controller's clock, so
    anything between the two is no evidence of a difference.
    """
    if host_ns < before_ns:
        return (host_ns - before_ns) / 1e9
    return max(0, host_ns - after_ns) / 1e9


def system_problems(host: Host) -> Iterator[Problem]:
    """A supported distribution under systemd and a Python that Ansible and the app can use.

    Whether the machine itself will do, 64-bit and with pages that the engine can use, is the role hardware's to say.
    """
    supported = host.values.get("preflight_distributions", ())
    found = f"{host.distribution} {host.version}".strip()
    if found not in supported:
        allowed = ", ".join(supported)
        yield Problem("ansible_facts.distribution", host.name, found, allowed, "is not a supported distribution")
    if host.service_manager != "systemd":
        yield Problem("ansible_facts.service_mgr", host.name, host.service_manager, "systemd", "cannot run our units")
    if host.python < _OLDEST_PYTHON:
        given = ".".join(map(str, host.python))
        allowed = ".".join(map(str, _OLDEST_PYTHON)) + " or newer"
        yield Problem("ansible_python_interpreter", host.name, given, allowed, "is too old a Python")


def address_problems(host: Host) -> Iterator[Problem]:
    """The cluster address is on an interface of this host, and not on the one that SSH comes in by."""
    address = host.values.get("cluster_network_address")
    if not host.is_node or address is None:
        return
    interface = host.interface_of(address)
    others = {nic: found for nic, found in host.addresses.items() if nic != interface}
    if interface is None and host.values.get("cluster_network_interface"):
        # The role cluster_network will put it there.
        return
    if interface is None:
        allowed = _listed(host.addresses) or "an address of this host, which has none"
        yield Problem("cluster_network_address", host.name, shown(address), allowed, "is on no interface of this host")
        return
    shares = interface == host.interface_of(host.management_address)
    if shares and not host.values.get("preflight_allow_shared_network"):
        allowed = (_listed(others) or "another interface") + "; or preflight_allow_shared_network: true"
        problem = f"is on {interface}, the interface that SSH comes in by"
        yield Problem("cluster_network_address", host.name, shown(address), allowed, problem)


def interface_problems(host: Host) -> Iterator[Problem]:
    """The interface that is to be configured exists, and is not the one that SSH comes in by, unless told so twice."""
    name = "cluster_network_interface"
    interface = host.values.get(name)
    if not host.is_node or not interface:
        return
    others = [nic for nic in host.interfaces if nic not in ("lo", interface)]
    if interface not in host.interfaces:
        allowed = one_of(others) if others else "an interface of this host, which has none"
        yield Problem(name, host.name, shown(interface), allowed, "is not an interface of this host")
        return
    confirmed = host.values.get("cluster_network_confirm_interface") == interface
    if interface == host.interface_of(host.management_address) and not confirmed:
        allowed = one_of(others) if others else "another interface"
        allowed += f"; or cluster_network_confirm_interface: {interface}"
        yield Problem(name, host.name, shown(interface), allowed, "is the interface that SSH comes in by")


def _listed(addresses: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{address} ({nic})" for nic, found in addresses.items() for address in found)


def engine_problems(host: Host) -> Iterator[Problem]:
    """The engine can be had for this host, and can run on it."""
    if not host.is_node:
        return
    engine, method = host.values.get("keydb_engine"), host.values.get("keydb_install_method")
    for wanted, name in (("archive", "keydb_archives"), ("deb", "keydb_debs")):
        files = host.values.get(name)
        if method == wanted and files and not files.get(host.architecture):
            allowed = f"an entry for {host.architecture}"
            yield Problem(name, host.name, shown(sorted(files)), allowed, "has nothing for this host's architecture")
    releases = _PACKAGED_FOR.get(str(engine), ())
    suite, own_mirror = host.release, False
    if engine == "keydb":
        suite = str(host.values.get("keydb_apt_source_suite", suite))
        own_mirror = _UPSTREAM not in str(host.values.get("keydb_apt_source_uri", _UPSTREAM))
    if method == "apt" and releases and not own_mirror and suite not in releases:
        allowed = one_of(releases)
        allowed += "; or keydb_install_method deb or archive" if engine == "keydb" else "; or another keydb_engine"
        problem = f"has no {engine} package for this release"
        yield Problem("keydb_install_method", host.name, f"apt on {suite}", allowed, problem)


def resource_problems(host: Host) -> Iterator[Problem]:
    """Memory and disk hold what they are to hold, and the clock can be compared with others."""
    memory = host.values.get("keydb_maxmemory_mb")
    if host.is_node and memory is not None and memory >= host.memory_mb:
        allowed = f"less than {host.memory_mb} MB, this host's memory"
        yield Problem("keydb_maxmemory_mb", host.name, shown(memory), allowed, "is more than the host has")
    # KeyDB counts the backlog as data: one that is as large as the memory for data leaves no room for a single write.
    backlog = host.values.get("keydb_repl_backlog_mb")
    if host.is_node and memory is not None and backlog is not None and backlog > memory // 2:
        allowed = f"at most {memory // 2} MB, half of keydb_maxmemory_mb"
        yield Problem("keydb_repl_backlog_mb", host.name, shown(backlog), allowed, "leaves too little room for data")
    least = host.values.get("preflight_min_free_mb")
    if host.is_node and least is not None and host.free_mb < least:
        given = f"{host.free_mb} MB free at {host.free_path}"
        allowed = f"{least} MB or more (preflight_min_free_mb)"
        yield Problem("keydb_data_dir", host.name, given, allowed, "has too little free disk space")
    most = host.values.get("preflight_max_clock_skew")
    if most is not None and abs(host.clock_skew) > most:
        given = f"{abs(host.clock_skew):.1f} s {'ahead of' if host.clock_skew > 0 else 'behind'} the controller"
        allowed = f"at most {most:g} s (preflight_max_clock_skew)"
        problem = "is too far off: certificates and timestamps would be wrong"
        yield Problem("clock", host.name, given, allowed, problem)


RULES = (system_problems, address_problems, interface_problems, engine_problems, resource_problems)


def host_problems(host: Host) -> Iterator[Problem]:
    """Yield what every rule finds."""
    for rule in RULES:
        yield from rule(host)
