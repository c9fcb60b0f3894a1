"""Inventories that preflight must accept, and wrong ones with what it must say about each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultLib, VaultSecret

Tree = dict[str, Any]
PASSWORD = "correct-horse-battery-staple"
ARCHIVE = b"not really an archive, but it has a checksum"
ARCHIVE_SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
OTHER_SHA256 = hashlib.sha256(b"another file").hexdigest()
ALL_HOSTS = "all"
USERS = (
    *("replication", "writer", "listener_sync", "listener_async", "load", "storm"),
    *("health", "operator", "verify", "audit", "exporter", "repair"),
)
PORTS = {"writer": 9611, "listener-sync": 9612, "listener-async": 9613}


@dataclass(frozen=True)
class Expected:
    """One problem that must be reported; ``given`` and ``allowed`` are parts of what is said."""

    variable: str
    host: str
    given: str
    allowed: str


@dataclass(frozen=True)
class Case:
    """An inventory, made by changing the good one; no expectation means that it is good."""

    name: str
    change: Callable[[Tree, Path], None]
    expected: tuple[Expected, ...] = ()
    arguments: tuple[str, ...] = ()
    never_shown: tuple[str, ...] = field(default=())


def good() -> Tree:
    """Three Raspberry Pis and two PCs, as in the example inventory."""
    names = ("pi1", "pi2", "pi3", "pc1", "pc2")
    nodes = {
        name: {"ansible_host": f"192.0.2.{11 + index}", "cluster_network_address": f"10.77.0.{11 + index}"}
        for index, name in enumerate(names)
    }
    return {
        "all": {
            "vars": {"cluster_network_cidr": "10.77.0.0/24"},
            "children": {
                "keydb_nodes": {"hosts": nodes},
                "observer_writer": {"hosts": {"pi1": {}}},
                "observer_listener_sync": {"hosts": {"pi2": {}}},
                "observer_listener_async": {"hosts": {"pc1": {}}},
            },
        }
    }


def group(tree: Tree, name: str) -> Tree:
    """Return the hosts of a group."""
    hosts: Tree = tree["all"]["children"].setdefault(name, {}).setdefault("hosts", {})
    return hosts


def _everywhere(**variables: Any) -> Callable[[Tree, Path], None]:
    return lambda tree, _: tree["all"]["vars"].update(deepcopy(variables))


def _on(host: str, **variables: Any) -> Callable[[Tree, Path], None]:
    return lambda tree, _: group(tree, "keydb_nodes")[host].update(deepcopy(variables))


def _without(host: str, variable: str) -> Callable[[Tree, Path], None]:
    return lambda tree, _: group(tree, "keydb_nodes")[host].pop(variable)


def _members(name: str, *hosts: str) -> Callable[[Tree, Path], None]:
    def change(tree: Tree, _: Path) -> None:
        tree["all"]["children"][name] = {"hosts": {host: {} for host in hosts}}

    return change


def _only(*hosts: str) -> Callable[[Tree, Path], None]:
    """Leave only these nodes, the writer on the first and both listeners on the last."""

    def change(tree: Tree, directory: Path) -> None:
        nodes = group(tree, "keydb_nodes")
        for host in set(nodes) - set(hosts):
            del nodes[host]
        _members("observer_writer", *hosts[:1])(tree, directory)
        for listener in ("observer_listener_sync", "observer_listener_async"):
            _members(listener, *hosts[1:][-1:])(tree, directory)

    return change


def _archive(name: str, sha256: str | None, architecture: str = "amd64", **more: Any) -> Callable[[Tree, Path], None]:
    """Use method archive with a file of the case's directory; the name "archive" is one that exists."""

    def change(tree: Tree, directory: Path) -> None:
        (directory / "archive").write_bytes(ARCHIVE)
        archive = {"src": str(directory / name)} | ({"sha256": sha256} if sha256 else {}) | more
        tree["all"]["vars"] |= {"keydb_install_method": "archive", "keydb_archives": {architecture: archive}}

    return change


def _secrets(mode: int) -> Callable[[Tree, Path], None]:
    def change(tree: Tree, directory: Path) -> None:
        secrets = directory / "secrets"
        secrets.mkdir(mode=0o755)
        (secrets / "ca.crt").touch(mode=0o644)
        key = secrets / "ca.key"
        key.touch()
        key.chmod(mode)
        tree["all"]["vars"]["pki_secrets_dir"] = str(secrets)

    return change


def _all_of(*changes: Callable[[Tree, Path], None]) -> Callable[[Tree, Path], None]:
    def change(tree: Tree, directory: Path) -> None:
        for each in changes:
            each(tree, directory)

    return change


def _one_network(tree: Tree, _: Path) -> None:
    """Use the management addresses for the cluster too, as on hosts with one interface."""
    tree["all"]["vars"] |= {"cluster_network_cidr": "192.0.2.0/24", "preflight_allow_shared_network": True}
    for host in group(tree, "keydb_nodes").values():
        host["cluster_network_address"] = "{{ ansible_host }}"


def _vaulted(password: str) -> Callable[[Tree, Path], None]:
    """Give the writer's password as Ansible Vault writes it, beside the inventory."""

    def change(_: Tree, directory: Path) -> None:
        (directory / "vault-password").write_text("open sesame\n", encoding="utf-8")
        text = VaultLib([("default", VaultSecret(b"open sesame"))]).encrypt(password, VaultSecret(b"open sesame"))
        lines = "".join(f"    {line}\n" for line in text.decode().splitlines())
        (directory / "group_vars").mkdir()
        variables = f"keydb_passwords:\n  writer: !vault |\n{lines}"
        (directory / "group_vars" / "all.yml").write_text(variables, encoding="utf-8")

    return change


def _no_observers(tree: Tree, _: Path) -> None:
    groups = tree["all"]["children"]
    tree["all"]["children"] = {"keydb_nodes": groups["keydb_nodes"]}


def _rename_group(old: str, new: str) -> Callable[[Tree, Path], None]:
    return lambda tree, _: tree["all"]["children"].update({new: tree["all"]["children"].pop(old)})


def _wrong(
    name: str,
    change: Callable[[Tree, Path], None],
    *expected: tuple[str, str, str, str],
    arguments: tuple[str, ...] = (),
    never_shown: tuple[str, ...] = (),
) -> Case:
    return Case(name, change, tuple(Expected(*each) for each in expected), arguments, never_shown)


PEM_KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGBy\n-----END PRIVATE KEY-----\n"
PEM_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBdjCCAR2g\n-----END CERTIFICATE-----\n"

GOOD = (
    Case("five nodes", _everywhere()),
    Case("two nodes share the listeners", _only("pi1", "pc1")),
    Case("valkey", _everywhere(keydb_engine="valkey", keydb_primary="pc1")),
    Case("redis", _everywhere(keydb_engine="redis")),
    Case("archive on the controller", _archive("archive", ARCHIVE_SHA256)),
    Case("archive by URL", _archive("archive", OTHER_SHA256, src="https://example.com/keydb.tar.gz")),
    Case("a value from facts", _everywhere(keydb_maxmemory_mb="{{ ansible_facts.memtotal_mb // 4 }}")),
    Case(
        "a value from facts through a variable",
        _everywhere(share="{{ ansible_memtotal_mb }}", keydb_maxclients="{{ share }}"),
    ),
    Case("a value from a role's default", _everywhere(firewall_cluster_tcp_ports=["{{ keydb_port + 1 }}"])),
    Case("numbers as text", _everywhere(), arguments=("-e", "keydb_port=7000", "-e", "firewall_enabled=no")),
    Case("one network on purpose", _one_network),
    Case("passwords", _everywhere(keydb_passwords={"writer": PASSWORD, "health": PASSWORD[::-1] + "#>"})),
    Case("password from a vault", _vaulted(PASSWORD), arguments=("--vault-password-file", "vault-password")),
    Case("a CA of one's own", _everywhere(pki_ca_private_key=PEM_KEY, pki_ca_certificate=PEM_CERTIFICATE)),
    Case(
        "forwarded ports",
        _all_of(
            _on("pi1", ansible_host="127.0.0.1", ansible_port=2201),
            _on("pi2", ansible_host="127.0.0.1", ansible_port=2202),
        ),
    ),
    Case("secrets of an interrupted first run", _secrets(0o600)),
    Case("snapshots off and a directive of one's own", _everywhere(keydb_save=[], keydb_extra_config={"hz": 20})),
    Case(
        "kernel settings and a board of one's own",
        _all_of(
            _everywhere(hardware_sysctl={"vm.swappiness": 0, "net.ipv4.tcp_rmem": "4096 131072 6291456"}),
            _on("pi1", hardware_profile="none", hardware_governor="keep", hardware_engine_page_size=16384),
            _on("pi2", hardware_spare_storage=True, hardware_recording="/srv/board"),
        ),
    ),
    Case("no observers", _no_observers),
    Case(
        "faults of some kinds, and a host that is started from outside",
        _all_of(
            _everywhere(faults_only=["kill", "cut"], faults_confirm="mine", faults_seed=0, faults_observers_interval=0),
            _on("pi1", faults_restart_command=["power", "cycle", "{{ inventory_hostname }}"]),
        ),
    ),
    Case("monitoring on two nodes", _members("monitoring", "pc2", "pc1")),
    Case("exporters for somebody else's Prometheus", _everywhere(monitoring_enabled=True)),
    Case(
        "monitoring that is off asks for nothing",
        _all_of(_members("monitoring", "pc2"), _everywhere(monitoring_enabled=False, monitoring_prometheus_port=6379)),
    ),
    Case(
        "alerts sent on",
        _all_of(
            _members("monitoring", "pc2"),
            _everywhere(monitoring_alertmanagers=["127.0.0.1:9093", "alerts.example.com:9093"]),
        ),
    ),
    Case(
        "a full benchmark of two engines between PCs",
        _everywhere(
            bench_scale="full",
            bench_engines=["keydb", "redis"],
            bench_server="pc1",
            bench_client="pc2",
            bench_nodes=[1, 5],
            bench_sizes=[16],
            bench_conditions="refuse",
        ),
    ),
    Case(
        "two time servers without internet, asked often",
        _everywhere(
            time_sync_servers=["pc1", "pc2"], time_sync_upstream=[], time_sync_minpoll=-6, time_sync_maxpoll="24"
        ),
    ),
    Case(
        "a time server by its group, and sources by name and address",
        _all_of(
            _members("clocks", "pc1"),
            _everywhere(
                time_sync_servers="{{ groups['clocks'] }}", time_sync_upstream=["ntp.example.com", "2001:db8::1"]
            ),
        ),
    ),
    Case("no time kept", _everywhere(time_sync_enabled=False, time_sync_servers=[])),
    Case(
        "an interface to configure, one of them confirmed",
        _all_of(
            _everywhere(cluster_network_interface="eth1", cluster_network_mtu=9000),
            _on("pc1", cluster_network_interface="enp3s0", cluster_network_manager="networkd"),
            _on("pc2", cluster_network_interface="br0.7", cluster_network_confirm_interface="br0.7"),
        ),
    ),
    Case(
        "no figures of the writer, others elsewhere",
        _everywhere(
            observers_metrics_ports={"writer": 0, "listener-sync": 0, "listener-async": 1024}, observers_lines_up_to=0
        ),
    ),
    Case("another node heals, and seldom", _everywhere(healing_node="pc1", healing_interval=600, healing_share=1)),
    Case("nobody heals", _everywhere(healing_enabled=False)),
    Case(
        "passwords of all users",
        _everywhere(keydb_passwords={user: f"{PASSWORD}-{user}" for user in USERS}),
    ),
)

WRONG = (
    # --- who is there ---
    _wrong(
        "no node",
        _rename_group("keydb_nodes", "machines"),
        ("keydb_nodes", ALL_HOSTS, "no host", "2 hosts or more"),
        ("observer_writer", "pi1", "pi1", "keydb_nodes"),
        ("observer_listener_sync", "pi2", "pi2", "keydb_nodes"),
        ("observer_listener_async", "pc1", "pc1", "keydb_nodes"),
    ),
    _wrong("no peer", _only("pi1"), ("keydb_nodes", "pi1", "1 host: pi1", "2 hosts or more")),
    _wrong(
        "observer outside",
        _members("observer_listener_sync", "stranger"),
        ("observer_listener_sync", "stranger", "stranger", "keydb_nodes"),
    ),
    _wrong(
        "two writers",
        _members("observer_writer", "pi1", "pi3"),
        ("observer_writer", "pi1, pi3", '["pi1", "pi3"]', "one host"),
    ),
    _wrong(
        "listener beside the writer",
        _members("observer_listener_sync", "pi1"),
        ("observer_listener_sync", "pi1", "pi1", "pi2, pi3, pc1, pc2"),
    ),
    _wrong(
        "misspelt group",
        _rename_group("observer_listener_sync", "observers_listener_sync"),
        ("observers_listener_sync", ALL_HOSTS, "observers_listener_sync", "observer_listener_sync?"),
    ),
    _wrong(
        "primary outside",
        _everywhere(keydb_engine="valkey", keydb_primary="pi9"),
        ("keydb_primary", ALL_HOSTS, '"pi9"', "pi1, pi2, pi3, pc1, pc2"),
    ),
    # --- addresses ---
    _wrong(
        "no address", _without("pi2", "cluster_network_address"), ("cluster_network_address", "pi2", "nothing", "text")
    ),
    _wrong(
        "no network",
        lambda tree, _: tree["all"]["vars"].clear(),
        ("cluster_network_cidr", ALL_HOSTS, "nothing", "text"),
    ),
    _wrong(
        "malformed address",
        _on("pi2", cluster_network_address="10.77.0.300"),
        ("cluster_network_address", "pi2", '"10.77.0.300"', "IPv4 address"),
    ),
    _wrong(
        "host name for an address",
        _on("pi2", cluster_network_address="pi2.example.com"),
        ("cluster_network_address", "pi2", '"pi2.example.com"', "IPv4 address"),
    ),
    _wrong(
        "one address twice",
        _on("pi2", cluster_network_address="10.77.0.11"),
        ("cluster_network_address", "pi1, pi2", '"10.77.0.11"', "its own per host"),
    ),
    _wrong(
        "one machine twice",
        _on("pi2", ansible_host="192.0.2.11"),
        ("ansible_host", "pi1, pi2", '"192.0.2.11"', "its own per host"),
    ),
    _wrong(
        "address outside",
        _on("pc2", cluster_network_address="10.78.0.15"),
        ("cluster_network_address", "pc2", '"10.78.0.15"', "an address in 10.77.0.0/24"),
    ),
    _wrong(
        "broadcast address",
        _on("pc2", cluster_network_address="10.77.0.255"),
        ("cluster_network_address", "pc2", '"10.77.0.255"', "10.77.0.1 to 10.77.0.254"),
    ),
    _wrong(
        "network address",
        _on("pc2", cluster_network_address="10.77.0.0"),
        ("cluster_network_address", "pc2", '"10.77.0.0"', "10.77.0.1 to 10.77.0.254"),
    ),
    _wrong(
        "malformed network",
        _everywhere(cluster_network_cidr="10.77.0.0/33"),
        ("cluster_network_cidr", ALL_HOSTS, '"10.77.0.0/33"', "10.77.0.0/24"),
    ),
    _wrong(
        "network with host bits",
        _everywhere(cluster_network_cidr="10.77.0.1/24"),
        ("cluster_network_cidr", ALL_HOSTS, '"10.77.0.1/24"', "10.77.0.0/24"),
    ),
    _wrong(
        "network too small",
        _all_of(
            _everywhere(cluster_network_cidr="10.77.0.8/30"),
            _on("pi1", cluster_network_address="10.77.0.9"),
            _on("pi2", cluster_network_address="10.77.0.10"),
            _only("pi1", "pi2"),
            lambda tree, _: group(tree, "keydb_nodes").update({"pi3": {"cluster_network_address": "10.77.0.11"}}),
        ),
        ("cluster_network_cidr", ALL_HOSTS, '"10.77.0.8/30"', "room for 3 nodes"),
        ("cluster_network_address", "pi3", '"10.77.0.11"', "10.77.0.9 to 10.77.0.10"),
    ),
    _wrong(
        "networks differ",
        _on("pc2", cluster_network_cidr="10.77.0.0/16"),
        ("cluster_network_cidr", ALL_HOSTS, '"10.77.0.0/16" on pc2', "one value"),
    ),
    _wrong(
        "interface that is none",
        _all_of(_on("pi1", cluster_network_interface="eth1; reboot"), _on("pi2", cluster_network_interface="lo")),
        ("cluster_network_interface", "pi1", '"eth1; reboot"', "such as eth1"),
        ("cluster_network_interface", "pi2", '"lo"', "such as eth1"),
    ),
    _wrong(
        "another interface confirmed",
        _everywhere(cluster_network_interface="eth1", cluster_network_confirm_interface="eth0"),
        ("cluster_network_confirm_interface", ALL_HOSTS, '"eth0"', 'cluster_network_interface, "eth1"'),
    ),
    _wrong(
        "confirmed without an interface",
        _on("pi1", cluster_network_confirm_interface="eth0"),
        ("cluster_network_confirm_interface", "pi1", '"eth0"', 'cluster_network_interface, ""'),
    ),
    _wrong(
        "unknown manager",
        _everywhere(cluster_network_manager="wicked"),
        ("cluster_network_manager", ALL_HOSTS, '"wicked"', "networkmanager, netplan, networkd or ifupdown"),
    ),
    _wrong(
        "packets too small and too large",
        _all_of(_everywhere(cluster_network_mtu=1279), _on("pi1", cluster_network_mtu=9001)),
        ("cluster_network_mtu", "pi2, pi3, pc1, pc2", "1279", "1280 to 9000 bytes"),
        ("cluster_network_mtu", "pi1", "9001", "1280 to 9000 bytes"),
    ),
    _wrong(
        "packets of two sizes",
        _on("pi1", cluster_network_mtu=9000),
        ("cluster_network_mtu", ALL_HOSTS, "9000 on pi1", "one value"),
    ),
    # --- faults ---
    _wrong(
        "a fault of an unknown kind",
        _everywhere(faults_only=["kill", "earthquake"]),
        ("faults_only[1]", ALL_HOSTS, '"earthquake"', "kill, stop, restart"),
    ),
    _wrong(
        "one kind that is no list",
        _everywhere(faults_only="kill"),
        ("faults_only", ALL_HOSTS, '"kill"', "a list"),
    ),
    _wrong(
        "faults that last longer than a host lets them",
        _everywhere(faults_hold=90, faults_count=0),
        ("faults_hold", ALL_HOSTS, "90", "0 to 60 s"),
        ("faults_count", ALL_HOSTS, "0", "1 to 10000 faults"),
    ),
    _wrong(
        "a restart command that is no list",
        _on("pi1", faults_restart_command="power pi1"),
        ("faults_restart_command", "pi1", '"power pi1"', "a list"),
    ),
    _wrong(
        "no time to come back",
        _everywhere(cluster_network_undo_after=5),
        ("cluster_network_undo_after", ALL_HOSTS, "5", "20 to 600 s"),
    ),
    _wrong(
        "peers by their plain names",
        _everywhere(cluster_network_domain=""),
        ("cluster_network_domain", ALL_HOSTS, '""', "a domain such as cluster"),
    ),
    _wrong(
        "measured at the engine's port",
        _everywhere(cluster_network_iperf_port=6379),
        ("cluster_network_iperf_port", ALL_HOSTS, "6379", "a port of its own"),
    ),
    _wrong(
        "management inside",
        _on("pc1", ansible_host="10.77.0.99"),
        ("ansible_host", "pc1", '"10.77.0.99"', "outside 10.77.0.0/24"),
    ),
    # --- names, types, choices, ranges ---
    _wrong(
        "misspelt variable",
        _everywhere(keydb_maxmemroy_mb=256),
        ("keydb_maxmemroy_mb", ALL_HOSTS, "keydb_maxmemroy_mb", "keydb_maxmemory_mb?"),
    ),
    _wrong(
        "misspelt prefix",
        _on("pi1", cluster_netwrok_address="10.77.0.1"),
        ("cluster_netwrok_address", "pi1", "cluster_netwrok_address", "cluster_network_address?"),
    ),
    _wrong(
        "nothing like a variable",
        _everywhere(pki_xyzzy=1),
        ("pki_xyzzy", ALL_HOSTS, "pki_xyzzy", "roles/pki/defaults/main.yml"),
    ),
    _wrong(
        "unknown engine",
        _everywhere(keydb_engine="memcached"),
        ("keydb_engine", ALL_HOSTS, '"memcached"', "keydb, valkey or redis"),
    ),
    _wrong(
        "engines differ", _on("pi3", keydb_engine="redis"), ("keydb_engine", ALL_HOSTS, '"redis" on pi3', "one value")
    ),
    _wrong("ports differ", _on("pi3", keydb_port=6380), ("keydb_port", ALL_HOSTS, "6380 on pi3", "one value")),
    _wrong(
        "notifications differ",
        _on("pi3", keydb_notify_events_extra="x"),
        ("keydb_notify_events_extra", ALL_HOSTS, '"x" on pi3', "one value"),
    ),
    _wrong(
        "unknown event letter",
        _everywhere(keydb_notify_events_extra="xQ"),
        ("keydb_notify_events_extra", ALL_HOSTS, '"xQ"', "KEg$lshzxetdmA"),
    ),
    _wrong(
        "an event letter that KeyDB does not know yet",
        _everywhere(keydb_notify_events_extra="n"),
        ("keydb_notify_events_extra", ALL_HOSTS, '"n"', "KEg$lshzxetdmA"),
    ),
    _wrong("negative memory", _on("pi1", keydb_maxmemory_mb=-5), ("keydb_maxmemory_mb", "pi1", "-5", "64 or more MB")),
    _wrong(
        "too little memory",
        _everywhere(keydb_maxmemory_mb=63),
        ("keydb_maxmemory_mb", ALL_HOSTS, "63", "64 or more MB"),
    ),
    _wrong(
        "memory with a unit",
        _everywhere(keydb_maxmemory_mb="512mb"),
        ("keydb_maxmemory_mb", ALL_HOSTS, '"512mb"', "a whole number"),
    ),
    _wrong(
        "memory is empty",
        _everywhere(keydb_maxmemory_mb=None),
        ("keydb_maxmemory_mb", ALL_HOSTS, "nothing", "a whole number"),
    ),
    _wrong("port too high", _everywhere(keydb_port=65536), ("keydb_port", ALL_HOSTS, "65536", "1024 to 65535")),
    _wrong("port of SSH", _everywhere(keydb_port=22), ("keydb_port", ALL_HOSTS, "22", "1024 to 65535")),
    _wrong(
        "port of a moved SSH",
        _all_of(_everywhere(keydb_port=2222, firewall_cluster_tcp_ports=[6379]), _on("pi1", ansible_port=2222)),
        ("keydb_port", "pi1", "2222", "any port but SSH's"),
    ),
    _wrong(
        "firewall closes SSH",
        _everywhere(firewall_cluster_tcp_ports=[6379, 22]),
        ("firewall_cluster_tcp_ports[1]", ALL_HOSTS, "22", "any port but SSH's"),
    ),
    _wrong(
        "port from the command line",
        _everywhere(),
        ("keydb_port", ALL_HOSTS, '"sixty"', "a whole number"),
        arguments=("-e", "keydb_port=sixty"),
    ),
    _wrong(
        "no thread", _everywhere(keydb_server_threads=0), ("keydb_server_threads", ALL_HOSTS, "0", "1 to 64 threads")
    ),
    _wrong(
        "negative threads",
        _on("pc1", keydb_server_threads=-2),
        ("keydb_server_threads", "pc1", "-2", "1 to 64 threads"),
    ),
    _wrong(
        "too many threads",
        _everywhere(keydb_server_threads=65),
        ("keydb_server_threads", ALL_HOSTS, "65", "1 to 64 threads"),
    ),
    _wrong(
        "no backlog", _everywhere(keydb_repl_backlog_mb=0), ("keydb_repl_backlog_mb", ALL_HOSTS, "0", "1 or more MB")
    ),
    _wrong(
        "unknown policy",
        _everywhere(keydb_maxmemory_policy="lru"),
        ("keydb_maxmemory_policy", ALL_HOSTS, '"lru"', "allkeys-lru"),
    ),
    _wrong(
        "unknown flush",
        _everywhere(keydb_appendfsync="sometimes"),
        ("keydb_appendfsync", ALL_HOSTS, '"sometimes"', "always, everysec or no"),
    ),
    _wrong("a bare no", _everywhere(keydb_appendfsync=False), ("keydb_appendfsync", ALL_HOSTS, "false", "in quotes")),
    _wrong(
        "not a truth",
        _everywhere(keydb_appendonly="perhaps"),
        ("keydb_appendonly", ALL_HOSTS, '"perhaps"', "true or false"),
    ),
    _wrong("text for a list", _everywhere(keydb_save="900 1"), ("keydb_save", ALL_HOSTS, '"900 1"', "a list")),
    _wrong(
        "malformed snapshot",
        _everywhere(keydb_save=["900 1", "often"]),
        ("keydb_save[1]", ALL_HOSTS, '"often"', "<seconds> <changes>"),
    ),
    _wrong(
        "relative data directory",
        _everywhere(keydb_data_dir="data"),
        ("keydb_data_dir", ALL_HOSTS, '"data"', "absolute path"),
    ),
    _wrong(
        "undefined variable",
        _everywhere(keydb_port="{{ no_such_port }}"),
        ("keydb_port", ALL_HOSTS, "no_such_port", "a whole number"),
    ),
    _wrong(
        "owned directive",
        _everywhere(keydb_extra_config={"requirepass": PASSWORD, "tls-port": 7000}),
        ("keydb_extra_config.requirepass", ALL_HOSTS, "requirepass", "keydb_passwords"),
        ("keydb_extra_config.tls-port", ALL_HOSTS, "tls-port", "keydb_port"),
        never_shown=(PASSWORD,),
    ),
    _wrong(
        "directive with a truth",
        _everywhere(keydb_extra_config={"activedefrag": True}),
        ("keydb_extra_config.activedefrag", ALL_HOSTS, "true", '"yes" or "no"'),
    ),
    # --- packages ---
    _wrong(
        "unknown method",
        _everywhere(keydb_install_method="snap"),
        ("keydb_install_method", ALL_HOSTS, '"snap"', "apt, deb or archive"),
    ),
    _wrong(
        "archive without archives",
        _everywhere(keydb_install_method="archive"),
        ("keydb_archives", ALL_HOSTS, "{}", "src and sha256"),
    ),
    _wrong(
        "deb without debs", _everywhere(keydb_install_method="deb"), ("keydb_debs", ALL_HOSTS, "{}", "src and sha256")
    ),
    _wrong(
        "archive of valkey",
        _all_of(_archive("archive", ARCHIVE_SHA256), _everywhere(keydb_engine="valkey")),
        ("keydb_install_method", ALL_HOSTS, '"archive"', "apt"),
    ),
    _wrong(
        "archive without source",
        _archive("archive", ARCHIVE_SHA256, src=""),
        ("keydb_archives.amd64.src", ALL_HOSTS, "nothing", "URL"),
    ),
    _wrong(
        "archive at a relative path",
        _archive("archive", ARCHIVE_SHA256, src="keydb.tar.gz"),
        ("keydb_archives.amd64.src", ALL_HOSTS, '"keydb.tar.gz"', "absolute path"),
    ),
    _wrong(
        "archive without checksum",
        _archive("archive", None),
        ("keydb_archives.amd64.sha256", ALL_HOSTS, "nothing", "64 hexadecimal digits"),
    ),
    _wrong(
        "short checksum",
        _archive("archive", "abc123"),
        ("keydb_archives.amd64.sha256", ALL_HOSTS, '"abc123"', "64 hexadecimal digits"),
    ),
    _wrong(
        "checksum that does not match",
        _archive("archive", OTHER_SHA256),
        ("keydb_archives.amd64.sha256", ALL_HOSTS, OTHER_SHA256, ARCHIVE_SHA256),
    ),
    _wrong(
        "archive that is not there",
        _archive("elsewhere", ARCHIVE_SHA256),
        ("keydb_archives.amd64.src", ALL_HOSTS, "elsewhere", "exists on the controller"),
    ),
    _wrong(
        "unknown architecture",
        _archive("archive", ARCHIVE_SHA256, architecture="x86_64"),
        ("keydb_archives.x86_64", ALL_HOSTS, '"x86_64"', "amd64 or arm64"),
    ),
    _wrong(
        "deb without checksum",
        _everywhere(keydb_install_method="deb", keydb_debs={"arm64": [{"src": "https://example.com/a.deb"}]}),
        ("keydb_debs.arm64[0].sha256", ALL_HOSTS, "nothing", "64 hexadecimal digits"),
    ),
    _wrong(
        "deb that is not a list",
        _everywhere(keydb_debs={"arm64": "a.deb"}),
        ("keydb_debs.arm64", ALL_HOSTS, '"a.deb"', "list"),
    ),
    # --- secrets ---
    _wrong(
        "unknown user",
        _everywhere(keydb_passwords={"writr": PASSWORD}),
        ("keydb_passwords.writr", ALL_HOSTS, "writr", "writer"),
        never_shown=(PASSWORD,),
    ),
    _wrong(
        "short password",
        _everywhere(keydb_passwords={"writer": "hunter2-hunter2"}),
        ("keydb_passwords.writer", ALL_HOSTS, "15 characters", "16 to 512 characters"),
        never_shown=("hunter2",),
    ),
    _wrong(
        "short password from a vault",
        _vaulted("hunter2"),
        ("keydb_passwords.writer", ALL_HOSTS, "7 characters", "16 to 512 characters"),
        arguments=("--vault-password-file", "vault-password"),
        never_shown=("hunter2",),
    ),
    _wrong(
        "password with a space",
        _everywhere(keydb_passwords={"writer": "correct horse battery"}),
        ("keydb_passwords.writer", ALL_HOSTS, "not shown", "without spaces"),
        never_shown=("correct horse",),
    ),
    _wrong(
        "password that is a hash",
        _everywhere(keydb_passwords={"writer": "#" + OTHER_SHA256}),
        ("keydb_passwords.writer", ALL_HOSTS, "not shown", "not starting with #"),
        never_shown=(OTHER_SHA256,),
    ),
    _wrong(
        "one password for two",
        _everywhere(keydb_passwords={"writer": PASSWORD, "health": PASSWORD}),
        ("keydb_passwords", ALL_HOSTS, "one password for writer, health", "its own per user"),
        never_shown=(PASSWORD,),
    ),
    _wrong(
        "passwords differ",
        _on("pi1", keydb_passwords={"writer": PASSWORD}),
        ("keydb_passwords.writer", ALL_HOSTS, "pi1", "one password for all nodes"),
        never_shown=(PASSWORD,),
    ),
    _wrong(
        "key without certificate",
        _everywhere(pki_ca_private_key=PEM_KEY),
        ("pki_ca_certificate", ALL_HOSTS, "nothing", "PEM text"),
        never_shown=("MIGHAgEAMBMGBy",),
    ),
    _wrong(
        "certificate without key",
        _everywhere(pki_ca_certificate=PEM_CERTIFICATE),
        ("pki_ca_private_key", ALL_HOSTS, "nothing", "PEM text"),
    ),
    _wrong(
        "key that is a path",
        _everywhere(pki_ca_private_key="/root/ca.key", pki_ca_certificate=PEM_CERTIFICATE),
        ("pki_ca_private_key", ALL_HOSTS, "not shown", "PEM text"),
        never_shown=("/root/ca.key",),
    ),
    _wrong(
        "renewal on every run",
        _everywhere(pki_certificate_days=30, pki_renew_before_days=30),
        ("pki_renew_before_days", ALL_HOSTS, "30", "less than pki_certificate_days, 30"),
    ),
    _wrong(
        "certificate outlives its CA",
        _everywhere(pki_ca_days=364),
        ("pki_certificate_days", ALL_HOSTS, "365", "at most pki_ca_days, 364"),
    ),
    _wrong(
        "secrets that others can read", _secrets(0o644), ("pki_secrets_dir", ALL_HOSTS, "ca.key has mode 0644", "0600")
    ),
    # --- observers ---
    _wrong("no interval", _everywhere(observers_interval=0), ("observers_interval", ALL_HOSTS, "0", "0.01 to 86400 s")),
    _wrong(
        "interval that is no number",
        _everywhere(observers_interval="nan"),
        ("observers_interval", ALL_HOSTS, '"nan"', "a number"),
    ),
    _wrong("empty key", _everywhere(observers_key=""), ("observers_key", ALL_HOSTS, '""', "one word")),
    _wrong(
        "key with a space",
        _everywhere(observers_key="shared key"),
        ("observers_key", ALL_HOSTS, '"shared key"', "one word"),
    ),
    _wrong(
        "key of a handshake",
        _everywhere(observers_key="handshake:pi1:sync"),
        ("observers_key", ALL_HOSTS, '"handshake:pi1:sync"', "does not start with handshake: or observer:"),
    ),
    _wrong(
        "key of a report",
        _everywhere(observers_key="observer:pi1:sync"),
        ("observers_key", ALL_HOSTS, '"observer:pi1:sync"', "does not start with handshake: or observer:"),
    ),
    _wrong(
        "key that is a pattern",
        _everywhere(observers_key="shared*"),
        ("observers_key", ALL_HOSTS, '"shared*"', "without *"),
    ),
    _wrong(
        "negative rate of lines",
        _everywhere(observers_lines_up_to=-1),
        ("observers_lines_up_to", ALL_HOSTS, "-1", "0 to 1e+06 events/s"),
    ),
    _wrong(
        "rate of lines that is a word",
        _everywhere(observers_lines_up_to="all"),
        ("observers_lines_up_to", ALL_HOSTS, '"all"', "a number"),
    ),
    _wrong(
        "one port for all figures",
        _everywhere(observers_metrics_ports=9611),
        ("observers_metrics_ports", ALL_HOSTS, "9611", "a mapping"),
    ),
    _wrong(
        "a port for figures is missing, and one is nobody's",
        _everywhere(observers_metrics_ports={"writer": 9611, "listener-sync": 9612, "listener_async": 9613}),
        ("observers_metrics_ports.listener_async", ALL_HOSTS, "listener_async", "listener-sync or listener-async"),
        ("observers_metrics_ports.listener-async", ALL_HOSTS, "nothing", "a whole number"),
    ),
    _wrong(
        "a port for figures that is a word",
        _everywhere(observers_metrics_ports=PORTS | {"writer": "off"}),
        ("observers_metrics_ports.writer", ALL_HOSTS, '"off"', "a whole number"),
    ),
    _wrong(
        "ports for figures out of range",
        _everywhere(observers_metrics_ports=PORTS | {"writer": 1023, "listener-async": 65536}),
        ("observers_metrics_ports.writer", ALL_HOSTS, "1023", "0 for none, or 1024 to 65535"),
        ("observers_metrics_ports.listener-async", ALL_HOSTS, "65536", "0 for none, or 1024 to 65535"),
        ("firewall_cluster_tcp_ports[1]", "pc1", "65536", "1 to 65535"),
    ),
    _wrong(
        "figures at the port of the engine",
        _everywhere(keydb_port=9612),
        ("observers_metrics_ports.listener-sync", ALL_HOSTS, "9612", "a port of its own"),
    ),
    _wrong(
        "figures at the port of SSH",
        _everywhere(observers_metrics_ports=PORTS | {"writer": 22}),
        ("observers_metrics_ports.writer", ALL_HOSTS, "22", "0 for none, or 1024 to 65535"),
        ("firewall_cluster_tcp_ports[1]", "pi1", "22", "any port but SSH's"),
    ),
    _wrong(
        "figures at the port of a moved SSH",
        _on("pi2", ansible_port=9613),
        ("observers_metrics_ports.listener-async", "pi2", "9613", "a port of its own"),
    ),
    _wrong(
        "one port for two observers' figures",
        _everywhere(observers_metrics_ports=PORTS | {"listener-async": 9612}),
        ("observers_metrics_ports.listener-async", ALL_HOSTS, "9612", "a port of its own"),
    ),
    # --- time ---
    _wrong(
        "misspelt group of the monitoring",
        _members("monitorings", "pc2"),
        ("monitorings", ALL_HOSTS, "monitorings", "monitoring?"),
    ),
    _wrong(
        "no time server",
        _everywhere(time_sync_servers=[]),
        ("time_sync_servers", ALL_HOSTS, "[]", "1 to 4 inventory names of: pi1, pi2, pi3, pc1, pc2"),
    ),
    _wrong(
        "too many time servers",
        _everywhere(time_sync_servers="{{ groups['keydb_nodes'] }}"),
        ("time_sync_servers", ALL_HOSTS, '"pc2"]', "1 to 4 inventory names"),
    ),
    _wrong(
        "time servers that are no nodes, and one twice",
        _everywhere(time_sync_servers=["pi1", "ntp.example.com", "pi1"]),
        ("time_sync_servers[1]", ALL_HOSTS, '"ntp.example.com"', "inventory names of: pi1"),
        ("time_sync_servers[2]", ALL_HOSTS, '"pi1"', "each server once"),
    ),
    _wrong(
        "time servers differ",
        _on("pi3", time_sync_servers=["pc1"]),
        ("time_sync_servers", ALL_HOSTS, '["pc1"] on pi3', "one value"),
    ),
    _wrong(
        "a time server that serves none",
        _on("pi1", time_sync_enabled=False),
        ("time_sync_servers[0]", "pi2, pi3, pc1, pc2", '"pi1"', "not pi1"),
    ),
    _wrong(
        "a source of time with options",
        _everywhere(time_sync_upstream=["ntp.example.com", "ntp.example.com iburst"]),
        ("time_sync_upstream[1]", ALL_HOSTS, '"ntp.example.com iburst"', "without options"),
    ),
    _wrong(
        "intervals of time out of range",
        _on("pi1", time_sync_minpoll=-7, time_sync_maxpoll=25),
        ("time_sync_minpoll", "pi1", "-7", "-6 to 24"),
        ("time_sync_maxpoll", "pi1", "25", "-6 to 24"),
    ),
    _wrong(
        "the shortest interval is longer than the longest",
        _everywhere(time_sync_minpoll=3),
        ("time_sync_minpoll", ALL_HOSTS, "3", "at most time_sync_maxpoll, 0"),
    ),
    _wrong(
        "no time to be synchronised",
        _everywhere(time_sync_timeout=0),
        ("time_sync_timeout", ALL_HOSTS, "0", "1 to 3600 s"),
    ),
    _wrong(
        "two lines for chronyd in one",
        _everywhere(time_sync_extra_config=["nocerttimecheck 1\nallow"]),
        ("time_sync_extra_config[0]", ALL_HOSTS, "allow", "one line of text"),
    ),
    # --- bench ---
    _wrong(
        "an unknown plan, part, engine and operation",
        _everywhere(bench_scale="huge", bench_parts=["sleep"], bench_engines=["mongo"], bench_operations=["scan"]),
        ("bench_scale", ALL_HOSTS, '"huge"', "small"),
        ("bench_parts[0]", ALL_HOSTS, '"sleep"', "throughput"),
        ("bench_engines[0]", ALL_HOSTS, '"mongo"', "keydb"),
        ("bench_operations[0]", ALL_HOSTS, '"scan"', "set"),
    ),
    _wrong(
        "a benchmark of more nodes than there are, and of values that fill memory",
        _everywhere(bench_nodes=[1, 6], bench_sizes=[64, 1_000_000], bench_threads=[0]),
        ("bench_nodes[1]", ALL_HOSTS, "6", "1 to 5 nodes"),
        ("bench_sizes[1]", ALL_HOSTS, "1000000", "1 to 65536 bytes"),
        ("bench_threads[0]", ALL_HOSTS, "0", "1 to 64 threads"),
    ),
    _wrong(
        "an axis of a benchmark without a value",
        _everywhere(bench_tls=[]),
        ("bench_tls", ALL_HOSTS, "[]", "one value or more"),
    ),
    _wrong(
        "a benchmark whose client is its server, and one of a host that is no node",
        _all_of(_everywhere(bench_client="pi1"), _on("pc1", bench_server="desk")),
        ("bench_client", "pi1, pi2, pi3, pc2", '"pi1"', "another host than bench_server"),
        ("bench_server", "pc1", '"desk"', "an inventory name: pi1"),
    ),
    _wrong(
        "a benchmark without rounds, on another's port",
        _everywhere(bench_rounds=0, bench_port=80, bench_conditions="ignore"),
        ("bench_rounds", ALL_HOSTS, "0", "1 to 100 rounds"),
        ("bench_port", ALL_HOSTS, "80", "1024 to 65534"),
        ("bench_conditions", ALL_HOSTS, '"ignore"', "mark"),
    ),
    # --- hardware ---
    _wrong(
        "an unknown profile",
        _on("pi1", hardware_profile="pi3"),
        ("hardware_profile", "pi1", '"pi3"', "auto, pi4b, pc or none"),
    ),
    _wrong(
        "an unknown governor",
        _everywhere(hardware_governor="turbo"),
        ("hardware_governor", ALL_HOSTS, '"turbo"', "performance, schedutil, ondemand or keep"),
    ),
    _wrong(
        "pages that no kernel has",
        _on("pi2", hardware_engine_page_size=16),
        ("hardware_engine_page_size", "pi2", "16", "4096, 16384 or 65536"),
    ),
    _wrong(
        "kernel settings that are none",
        _on("pc1", hardware_sysctl={"swappiness": 1, "vm.overcommit_memory": True}),
        ("hardware_sysctl.swappiness", "pc1", '"swappiness"', "vm.swappiness"),
        ("hardware_sysctl.vm.overcommit_memory", "pc1", "true", "a whole number"),
    ),
    _wrong(
        "a recording beside nothing",
        _on("pc2", hardware_recording="boards/pi4b"),
        ("hardware_recording", "pc2", '"boards/pi4b"', "an absolute path"),
    ),
    # --- who heals ---
    _wrong(
        "healing of what takes no repair",
        _everywhere(keydb_engine="valkey", healing_enabled=True),
        ("healing_enabled", ALL_HOSTS, "true", "false with valkey"),
    ),
    _wrong(
        "healing by a stranger",
        _everywhere(healing_node="pi9"),
        ("healing_node", ALL_HOSTS, '"pi9"', "pi1, pi2, pi3, pc1, pc2"),
    ),
    _wrong(
        "healing by two",
        _on("pi2", healing_node="pi2"),
        ("healing_node", ALL_HOSTS, "pi1 on pi1, pi3, pc1, pc2 and pi2 on pi2", "one node"),
    ),
    _wrong(
        "healing all the time, and keeping nothing",
        _everywhere(healing_interval=1, healing_share=2, healing_keep_days=0),
        ("healing_interval", ALL_HOSTS, "1", "5 to 86400 s"),
        ("healing_share", ALL_HOSTS, "2", "0.001 to 1"),
        ("healing_keep_days", ALL_HOSTS, "0", "1 to 3650 days"),
    ),
    # --- who collects the figures ---
    _wrong(
        "monitoring beside the nodes",
        _members("monitoring", "pc2", "desk"),
        ("monitoring", "desk", "desk", "hosts of keydb_nodes"),
    ),
    _wrong(
        "ports of the monitoring that others have",
        _all_of(
            _members("monitoring", "pc2"),
            _everywhere(
                monitoring_node_exporter_port=6379,
                monitoring_engine_exporter_port=9612,
                monitoring_prometheus_port=9612,
            ),
        ),
        ("monitoring_node_exporter_port", ALL_HOSTS, "6379", "a port of its own"),
        ("monitoring_engine_exporter_port", ALL_HOSTS, "9612", "a port of its own"),
        ("monitoring_prometheus_port", ALL_HOSTS, "9612", "a port of its own"),
    ),
    _wrong(
        "monitoring of a part of the nodes, at ports of their own",
        _all_of(
            _members("monitoring", "pc2"),
            _on("pi1", monitoring_enabled=False),
            _on("pi2", monitoring_node_exporter_port=9101),
        ),
        ("monitoring_enabled", ALL_HOSTS, "false on pi1", "one value for all nodes"),
        ("monitoring_node_exporter_port", ALL_HOSTS, "9101 on pi2", "one value for all nodes"),
    ),
    _wrong(
        "alerts to nowhere",
        _everywhere(monitoring_alertmanagers=["http://alerts.example.com:9093", "alerts.example.com"]),
        ("monitoring_alertmanagers[0]", ALL_HOSTS, "http://", "HOST:PORT"),
        ("monitoring_alertmanagers[1]", ALL_HOSTS, "alerts.example.com", "HOST:PORT"),
    ),
    _wrong(
        "thresholds and times out of range",
        _everywhere(monitoring_interval=0, monitoring_alert_lag_seconds=61, monitoring_alert_late_ms=0),
        ("monitoring_interval", ALL_HOSTS, "0", "1 to 60 s"),
        ("monitoring_alert_lag_seconds", ALL_HOSTS, "61", "2 to 60 s"),
        ("monitoring_alert_late_ms", ALL_HOSTS, "0", "0.05 to 10000 ms"),
    ),
    # --- several at once, on a part of the hosts ---
    _wrong(
        "many at once, under a limit",
        _all_of(
            _everywhere(keydb_port=70000, observers_interval=-1),
            _on("pi1", cluster_network_address="10.77.0.12"),
            _on("pc1", keydb_maxmemory_mb=1),
        ),
        ("keydb_port", ALL_HOSTS, "70000", "1024 to 65535"),
        ("observers_interval", ALL_HOSTS, "-1", "0.01 to 86400 s"),
        ("cluster_network_address", "pi1, pi2", '"10.77.0.12"', "its own per host"),
        ("keydb_maxmemory_mb", "pc1", "1", "64 or more MB"),
        arguments=("--limit", "pc2"),
    ),
)
