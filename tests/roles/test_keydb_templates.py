"""What the templates become, as ansible-playbook fills them in."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomllib
import yaml
from keydb_observer.resolution import ALL_OPTIONS
from roles_render import METRICS_PORTS, NODES, ROLES, SOURCE, Rendered, render

MIB = 1 << 20
HOSTS = {f"node{number}": {"cluster_network_address": f"10.77.0.1{number}"} for number in (1, 2, 3)}
Renderings = dict[str, dict[str, Rendered]]


def values(rendered: Rendered, *names: str) -> dict[str, list[str]]:
    return {name: rendered.directives(name) for name in names}


@pytest.mark.parametrize("node", NODES)
def test_a_mesh_names_every_other_node_after_it_says_that_it_is_one(rendered: Renderings, node: str) -> None:
    own = rendered["keydb"][node]
    peers = [f"{each['cluster_network_address']} 6379" for name, each in HOSTS.items() if name != node]
    assert own.directives("replicaof") == peers
    assert values(own, "active-replica", "multi-master", "multi-master-no-forward") == {
        "active-replica": ["yes"],
        "multi-master": ["yes"],
        "multi-master-no-forward": ["yes"],
    }
    before = max(own.names.index(name) for name in ("active-replica", "multi-master", "include"))
    assert before < own.names.index("replicaof")


def test_a_primary_and_its_replicas(rendered: Renderings) -> None:
    nodes = rendered["valkey"]
    assert nodes["node1"].directives("replicaof") == []
    assert nodes["node2"].directives("replicaof") == nodes["node3"].directives("replicaof") == ["10.77.0.11 6379"]
    for node in nodes.values():
        assert node.directives("replica-read-only") == ["yes"]
        assert {"active-replica", "multi-master", "server-threads", "enable-motd"} & set(node.names) == set()


@pytest.mark.parametrize("engine", ["keydb", "valkey"])
def test_nothing_is_given_twice_by_accident(rendered: Renderings, engine: str) -> None:
    repeat = {"replicaof", "save", "client-output-buffer-limit"}
    for node in rendered[engine].values():
        once = [name for name in node.names if name not in repeat]
        assert len(once) == len(set(once))


@pytest.mark.parametrize("engine", ["keydb", "valkey"])
def test_tls_only_on_the_cluster_network(rendered: Renderings, engine: str) -> None:
    for name, node in rendered[engine].items():
        assert values(node, "bind", "port", "tls-port", "tls-auth-clients", "tls-replication", "tls-protocols") == {
            "bind": [HOSTS[name]["cluster_network_address"]],
            "port": ["0"],
            "tls-port": ["6379"],
            "tls-auth-clients": ["yes"],
            "tls-replication": ["yes"],
            "tls-protocols": ['"TLSv1.2 TLSv1.3"'],
        }


def test_memory_and_threads_come_from_the_host(rendered: Renderings) -> None:
    """4000 MB and 4 cores, as the facts have it."""
    node = rendered["keydb"]["node1"]
    assert values(node, "maxmemory", "server-threads", "notify-keyspace-events") == {
        "maxmemory": [str(2000 * MIB)],
        "server-threads": ["2"],
        "notify-keyspace-events": ['"K$g"'],
    }
    # Less than this has been seen to lose a bystander when another node was killed.
    backlog = int(node.directives("repl-backlog-size")[0])
    assert 64 * MIB <= backlog <= 512 * MIB
    limits = {line.split()[0]: line.split()[1:] for line in node.directives("client-output-buffer-limit")}
    assert limits["normal"] == ["0", "0", "0"]
    for kind in ("replica", "pubsub"):
        hard, soft, seconds = map(int, limits[kind])
        assert 0 < soft < hard < 2000 * MIB
        assert seconds == 60
    assert int(limits["replica"][0]) >= backlog


@pytest.fixture(scope="module")
def overridden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """Each node with something of its own in the inventory, and only one of them in the run."""
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    hosts["node2"] |= {
        "keydb_maxmemory_mb": 300,
        "keydb_server_threads": 3,
        "keydb_real_time": True,
        "keydb_repl_backlog_mb": 100,
        "keydb_replica_output_buffer_mb": 10,
        "keydb_pubsub_output_buffer_mb": 7,
        "keydb_maxclients": 99,
        "keydb_notify_events_extra": "xE$g",
        "keydb_save": [],
        "keydb_appendonly": False,
        "keydb_data_dir": "/srv/ssd",
        "keydb_extra_config": {"hz": 20, "tls-ciphersuites": ["A:B", "C"]},
        "keydb_passwords": {"replication": "given by the inventory"},
        "hardware_ignore_cow_bug": True,
        "hardware_spare_storage": True,
        "firewall_extra_rules": ["tcp dport 9121 accept"],
    }
    return render(
        tmp_path_factory.mktemp("overridden"),
        {
            "keydb_engine": "keydb",
            "cluster_network_cidr": "10.77.0.0/24",
            "keydb_port": 7000,
            "observers_key": "other_key",
            "observers_interval": 0.5,
            "observers_lines_up_to": 0,
            "observers_metrics_ports": {"writer": 9001, "listener-sync": 0, "listener-async": 9003},
        },
        hosts,
        limit="node2",
        build={"notifies": False, "executable_stack": True},
    )


def test_a_limited_run_knows_all_peers(overridden: dict[str, Rendered]) -> None:
    assert set(overridden) == {"node2"}
    assert overridden["node2"].directives("replicaof") == ["10.77.0.11 7000", "10.77.0.13 7000"]
    assert re.findall(r'"(node\d)=(\S+)"', overridden["node2"].files["observer.toml"]) == [
        ("node2", "10.77.0.12:7000"),
        ("node1", "10.77.0.11:7000"),
        ("node3", "10.77.0.13:7000"),
    ]


def test_what_the_inventory_gives_counts(overridden: dict[str, Rendered]) -> None:
    node = overridden["node2"]
    wanted = {
        "maxmemory": [str(300 * MIB)],
        "server-threads": ["3"],
        "repl-backlog-size": [str(100 * MIB)],
        "maxclients": ["99"],
        "notify-keyspace-events": ['"K$gxE"'],
        "save": ['""'],
        "appendonly": ["no"],
        "appendfsync": ["no"],
        "dir": ["/srv/ssd/keydb"],
        "tls-port": ["7000"],
        "tcp-backlog": ["511"],
        "ignore-warnings": ["ARM64-COW-BUG"],
        "hz": ["20"],
        "tls-ciphersuites": ["A:B", "C"],
    }
    assert values(node, *wanted) == wanted
    assert node.directives("client-output-buffer-limit")[1:] == [
        f"replica {10 * MIB} {5 * MIB} 60",
        f"pubsub {7 * MIB} {7 * MIB // 4} 60",
    ]
    assert "other_key" in node.files["users.acl"]
    assert "shared_key" not in node.files["users.acl"]
    said = tomllib.loads(node.files["observer.toml"])
    assert (said["key"], said["interval"], said["lines-up-to"]) == (["other_key"], 0.5, 0)


def test_a_given_password_is_used_and_none_is_in_the_configuration(overridden: dict[str, Rendered]) -> None:
    node = overridden["node2"]
    given = "given by the inventory"
    assert node.files["replication-auth.conf"].splitlines()[1:] == ["masteruser replication", f"masterauth {given}"]
    assert hashlib.sha256(given.encode()).hexdigest() in node.files["users.acl"]
    holders = [name for name, text in node.files.items() if given in text]
    assert holders == ["replication-auth.conf"]


def test_a_build_that_cannot_notify_and_needs_executable_stacks_and_a_turn_of_its_own(
    overridden: dict[str, Rendered], rendered: Renderings
) -> None:
    unit = overridden["node2"].files["keydb-server.service"]
    assert "\nType=exec\n" in unit
    assert "\nMemoryDenyWriteExecute=no\n" in unit
    assert "\nCPUSchedulingPolicy=fifo\nCPUSchedulingPriority=1\n" in unit
    assert "supervised" not in overridden["node2"].names
    usual = rendered["keydb"]["node1"]
    assert "\nType=notify\n" in usual.files["keydb-server.service"]
    assert "\nMemoryDenyWriteExecute=yes\n" in usual.files["keydb-server.service"]
    assert "CPUScheduling" not in usual.files["keydb-server.service"]
    assert usual.directives("supervised") == ["systemd"]


def test_a_unit_may_write_its_data_and_talk_to_the_cluster_network_only(
    overridden: dict[str, Rendered], rendered: Renderings
) -> None:
    both = (rendered["keydb"]["node1"], overridden["node2"])
    usual, own = (each.files["keydb-server.service"].splitlines() for each in both)
    assert "StateDirectory=keydb keydb/keydb" in usual
    assert not any(line.startswith("ReadWritePaths=") for line in usual)
    assert "ReadWritePaths=/srv/ssd/keydb" in own
    assert not any(line.startswith("StateDirectory=") for line in own)
    assert f"LimitNOFILE={99 + 1024}" in own
    observers = [text.splitlines() for text in rendered["keydb"]["node1"].units.values()]
    assert observers
    for unit in (usual, own, *observers):
        assert "ProtectSystem=strict" in unit
        assert "IPAddressDeny=any" in unit
        # Observers ask this host's chronyd how far its clock may be off.
        allowed = "10.77.0.0/24 localhost" if unit in observers else "10.77.0.0/24"
        assert [line for line in unit if line.startswith("IPAddressAllow=")] == [f"IPAddressAllow={allowed}"]


def test_the_firewall_knows_port_network_and_further_rules(
    overridden: dict[str, Rendered], rendered: Renderings
) -> None:
    usual, own = (each.files["keydb-cluster.nft"] for each in (rendered["keydb"]["node1"], overridden["node2"]))
    assert "tcp dport { 6379, 9611 } jump cluster_only" in usual
    assert "ip saddr 10.77.0.0/24 ip daddr 10.77.0.11 fib saddr . iif oif exists accept" in usual
    assert own.index("tcp dport 9121 accept") < own.index("tcp dport { 7000 } jump cluster_only")
    # Ours is declared, deleted and made anew, in one transaction; nobody else's is mentioned.
    assert re.findall(r"^(?:delete )?table (.*?)(?: \{)?$", usual, re.MULTILINE) == ["inet keydb_cluster"] * 3
    assert not re.search(r"^\s*flush", usual, re.MULTILINE)


def test_exporters_are_for_the_cluster_network_where_there_are_any(tmp_path: Path) -> None:
    variables = {"cluster_network_cidr": "10.77.0.0/24", "monitoring_enabled": True}
    rules = render(tmp_path, variables | {"monitoring_node_exporter_port": 9101}, HOSTS)["node1"].files
    assert "tcp dport { 6379, 9611, 9101, 9121 } jump cluster_only" in rules["keydb-cluster.nft"]


def test_figures_are_served_on_the_cluster_network_only_and_the_firewall_knows_where(
    overridden: dict[str, Rendered], rendered: Renderings
) -> None:
    """Of the observers that are on a host, each at its port."""
    for number, (name, port) in enumerate(METRICS_PORTS.items(), start=1):
        node = rendered["keydb"][f"node{number}"]
        (unit,) = node.units.values()
        assert f" --metrics 10.77.0.1{number}:{port} " in unit, name
        assert f"tcp dport {{ 6379, {port} }} jump" in node.files["keydb-cluster.nft"]
    assert "--metrics" not in overridden["node2"].units["observer-listener-sync"]
    # Where the inventory says nothing: one role does not see another one's defaults.
    variables = yaml.safe_load((ROLES / "firewall" / "vars" / "main.yml").read_text("utf-8"))
    (assumed,) = re.findall(r"observers_metrics_ports \| default\((\{.*?\})\)", variables["_firewall_metrics_ports"])
    assert ast.literal_eval(assumed) == METRICS_PORTS


def test_the_users_of_the_acl(rendered: Renderings) -> None:
    lines = rendered["keydb"]["node1"].files["users.acl"].splitlines()
    assert lines[0] == "user default off resetpass resetkeys resetchannels -@all"
    users = {line.split()[1]: line.split()[2:] for line in lines[1:] if line}
    assert set(users) == {
        *("replication", "writer", "listener_sync", "listener_async", "load", "storm", "health", "operator", "verify"),
        *("audit", "repair", "exporter"),
    }
    specs = yaml.safe_load((ROLES / "keydb" / "meta" / "argument_specs.yml").read_text("utf-8"))
    assert set(specs["argument_specs"]["main"]["options"]["keydb_passwords"]["options"]) == set(users)
    too_much = {"nopass", "allkeys", "allchannels", "+@all", "&*", "+@dangerous", "+@admin", "+@write"}
    for name, rules in users.items():
        assert rules[0] == "on"
        assert re.fullmatch(r"#[0-9a-f]{64}", rules[1]), name
        assert "-@all" in rules
        assert not set(rules) & too_much
    assert len({rules[1] for rules in users.values()}) == len(users)
    assert [rule for rule in users["listener_sync"] if rule[0] in "~&"] == [
        "&__keyspace@0__:shared_key",
        "~shared_key",
        "~handshake:*:sync",
        "~observer:*:sync",
    ]
    assert [rule for rule in users["load"] if rule[0] in "~&"] == [
        "&__keyspace@0__:load:*",
        "~load:*",
        "~handshake:*:load:*",
        "~observer:*",
    ]
    assert not {"+set", "+del", "+subscribe"} & set(users["health"])
    assert not [rule for rule in users["operator"] if rule in ("+set", "+config|set", "+debug", "+shutdown", "+acl")]
    # It asks a peer whether it has a key, and reads none.
    assert [rule for rule in users["replication"] if rule[0] in "~&"] == ["~*"]
    assert not {"+get", "+dump", "+scan"} & set(users["replication"])
    assert [rule for rule in users["exporter"] if rule[0] in "~&"] == []
    for name in ("audit", "repair"):
        assert [rule for rule in users[name] if rule[0] in "~&"] == ["~*"]
    writing = {"+restore", "+keydb.mvccrestore", "+hset", "+sadd", "+zadd", "+pexpire", "+persist", "+del"}
    assert set(users["repair"]) >= writing
    assert not set(users["audit"]) & {*writing, "+set", "+get", "+info", "+multi"}
    # What audit reads, repair does, for it audits first.
    assert set(users["repair"]) >= {rule for rule in users["audit"] if rule[0] == "+"}
    assert "user repair" not in rendered["valkey"]["node1"].files["users.acl"]
    assert "user audit" in rendered["valkey"]["node1"].files["users.acl"]


def test_all_nodes_have_the_same_users(rendered: Renderings) -> None:
    for nodes in rendered.values():
        assert len({node.files["users.acl"] for node in nodes.values()}) == 1


def test_each_observer_is_where_its_group_says(rendered: Renderings) -> None:
    assert {name: list(node.units) for name, node in rendered["keydb"].items()} == {
        "node1": ["observer-writer"],
        "node2": ["observer-listener-sync"],
        "node3": ["observer-listener-async"],
    }


def test_what_is_installed_is_named_by_its_own_files(rendered: Renderings) -> None:
    """A change of the benchmark or of an example must not restart anything."""
    name = hashlib.sha256(SOURCE["files"][0]["checksum"].encode()).hexdigest()[:12]
    for node in rendered["keydb"].values():
        for unit in node.units.values():
            assert f"ExecStart=/opt/keydb-observer/{name}-cp311-x86_64/bin/keydb-observer " in unit


def test_where_observers_listen_and_write(rendered: Renderings) -> None:
    """To their own node first. Answers go to the node that is listened to, or to the primary where there is one."""

    def said(engine: str) -> list[dict[str, Any]]:
        return [tomllib.loads(node.files["observer.toml"]) for node in rendered[engine].values()]

    for engine in ("keydb", "valkey"):
        assert [each["node"][0] for each in said(engine)] == [
            f"{name}={variables['cluster_network_address']}:6379" for name, variables in HOSTS.items()
        ]
        assert all(len(each["node"]) == len(HOSTS) for each in said(engine))
    assert [each.get("write-node") for each in said("keydb")] == [None] * 3
    assert [each.get("write-node") for each in said("valkey")] == ["10.77.0.11:6379"] * 3


def test_what_the_program_is_told_it_understands(rendered: Renderings, overridden: dict[str, Rendered]) -> None:
    """Every option of the configuration and of the units' command lines."""
    known = {option.name for option in ALL_OPTIONS}
    for node in (*rendered["keydb"].values(), *rendered["valkey"].values(), *overridden.values()):
        assert set(tomllib.loads(node.files["observer.toml"])) <= known
        for unit in node.units.values():
            (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
            assert set(re.findall(r" --([a-z-]+)", command)) <= known | {"config"}


def test_no_password_is_in_a_unit(rendered: Renderings) -> None:
    node = rendered["keydb"]["node2"]
    secret = node.files["replication-auth.conf"].split()[-1]
    assert len(secret) == 40
    texts = [*node.units.values(), *(text for name, text in node.files.items() if name != "replication-auth.conf")]
    assert not any(secret in text for text in texts)
    assert (
        "LoadCredential=password:/etc/keydb-observer/credentials/listener_sync" in node.units["observer-listener-sync"]
    )


def test_healing_has_its_own_credentials_and_talks_to_the_cluster_only(rendered: Renderings) -> None:
    service = rendered["keydb"]["node1"].files["keydb-healing.service"].splitlines()
    assert "LoadCredential=password:/etc/keydb-observer/credentials/repair" in service
    assert "IPAddressAllow=10.77.0.0/24" in service
    assert "StateDirectory=keydb-healing" in service
    (command,) = [line for line in service if line.startswith("ExecStart=")]
    known = {option.name for option in ALL_OPTIONS if not option.commands or "heal" in option.commands}
    assert set(re.findall(r" --([a-z-]+)", command)) <= known | {"config"}
    timer = rendered["keydb"]["node1"].files["keydb-healing.timer"].splitlines()
    assert {"OnActiveSec=30", "OnUnitInactiveSec=30", "RandomizedDelaySec=5"} <= set(timer)


def test_a_unit_is_restarted_after_a_steady_delay(rendered: Renderings) -> None:
    """One that grows counts all restarts since somebody last started the unit, and never shrinks again."""
    for node in rendered["keydb"].values():
        for text in (node.files["keydb-server.service"], *node.units.values()):
            assert re.findall(r"^Restart\w*=.*$", text, re.MULTILINE) == ["Restart=always", "RestartSec=3"]


def test_systemd_understands_the_units(rendered: Renderings, tmp_path: Path) -> None:
    """systemd-analyze names what it does not know; programs that are not on this machine are stood in for."""
    files = []
    for name, node in rendered["keydb"].items():
        units = {"keydb-server.service": node.files["keydb-server.service"]}
        units["keydb-cluster-firewall.service"] = node.files["keydb-cluster-firewall.service"]
        units |= {unit: node.files[unit] for unit in ("keydb-healing.service", "keydb-healing.timer")}
        units |= {f"{unit}.service": text for unit, text in node.units.items()}
        directory = tmp_path / name
        directory.mkdir()
        for unit, text in units.items():
            runnable = re.sub(r"^(Exec\w+)=(/usr|/opt)\S+", r"\1=/bin/true", text, flags=re.MULTILINE)
            (directory / unit).write_text(runnable, "utf-8")
            files.append(directory / unit)
    for file in files:
        said = subprocess.run(
            ["systemd-analyze", "verify", "--recursive-errors=no", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        ours = [line for line in said.stderr.splitlines() if file.name in line and "man page" not in line.lower()]
        assert ours == []
    spoiled = files[0].with_name("spoiled.service")
    spoiled.write_text(files[0].read_text("utf-8").replace("ProtectSystem=strict", "ProtectSystem=perhaps"), "utf-8")
    said = subprocess.run(["systemd-analyze", "verify", str(spoiled)], capture_output=True, text=True, check=False)
    assert "Failed to parse protect system value" in said.stderr
