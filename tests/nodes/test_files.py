"""Files: who may read and who may write them."""

from __future__ import annotations

import on_node_services
from nodes_cluster import OBSERVERS, Cluster, Node

testinfra_hosts = ["ansible://keydb_nodes"]

CREDENTIALS = "/etc/keydb-observer/credentials"


def test_modes_and_owners(cluster: Cluster, node: Node) -> None:
    data = str(cluster.variables.get("keydb_data_dir", "/var/lib/keydb"))
    wanted = {
        "/etc/keydb": "750 root:keydb",
        "/etc/keydb/keydb.conf": "640 root:keydb",
        "/etc/keydb/replication-auth.conf": "640 root:keydb",
        "/etc/keydb/users.acl": "640 root:keydb",
        "/etc/keydb/tls": "750 root:keydb",
        "/etc/keydb/tls/server.key": "640 root:keydb",
        "/etc/keydb/tls/server.crt": "644 root:keydb",
        "/etc/keydb/tls/ca.crt": "644 root:keydb",
        "/etc/keydb-observer": "755 root:root",
        "/etc/keydb-observer/observer.toml": "644 root:root",
        "/etc/keydb-observer/tls/client.key": "600 root:root",
        CREDENTIALS: "700 root:root",
        data: "750 keydb:keydb",
        f"{data}/{cluster.engine_name}": "750 keydb:keydb",
        "/etc/nftables.d/keydb-cluster.nft": "644 root:root",
        **{f"/etc/systemd/system/{unit}.service": "644 root:root" for unit in node.units},
    }
    assert node.ask(on_node_services.describe_files, paths=list(wanted)) == wanted


def test_a_host_has_the_passwords_of_its_own_observers_only(cluster: Cluster, node: Node) -> None:
    users = ["health", "load", "storm", "audit", *(OBSERVERS[unit][1] for unit in node.observers)]
    users += ["repair"] if cluster.engine.is_mesh else []
    paths = node.ask(on_node_services.below, directories=[CREDENTIALS])
    assert sorted(paths) == sorted([CREDENTIALS, *(f"{CREDENTIALS}/{user}" for user in users)])
    modes = node.ask(on_node_services.describe_files, paths=paths)
    assert {path: mode for path, mode in modes.items() if path != CREDENTIALS and mode != "600 root:root"} == {}


def test_the_service_may_read_its_configuration_and_write_none_of_it(cluster: Cluster, node: Node) -> None:
    paths = node.ask(on_node_services.below, directories=["/etc/keydb", "/etc/keydb-observer", "/etc/systemd/system"])
    (program,) = {
        unit["program"] for unit in node.ask(on_node_services.describe_units, units=["keydb-server"]).values()
    }
    paths += [program, program.rsplit("/", 1)[0], "/etc/nftables.d/keydb-cluster.nft"]
    assert node.ask(on_node_services.may, user="keydb", how="w", paths=paths) == []
    readable = node.ask(on_node_services.may, user="keydb", how="r", paths=paths)
    assert {"/etc/keydb/keydb.conf", "/etc/keydb/users.acl", "/etc/keydb/tls/server.key", program} <= set(readable)
    assert [path for path in readable if path.startswith(CREDENTIALS) or path.endswith("client.key")] == []
    data = f"{cluster.variables.get('keydb_data_dir', '/var/lib/keydb')}/{cluster.engine_name}"
    assert node.ask(on_node_services.may, user="keydb", how="w", paths=[data]) == [data]


def test_nobody_else_reads_passwords_keys_or_data(cluster: Cluster, node: Node) -> None:
    data = str(cluster.variables.get("keydb_data_dir", "/var/lib/keydb"))
    secret = ["/etc/keydb/keydb.conf", "/etc/keydb/replication-auth.conf", "/etc/keydb/users.acl"]
    secret += ["/etc/keydb/tls/server.key", "/etc/keydb-observer/tls/client.key"]
    secret += [*node.ask(on_node_services.below, directories=[CREDENTIALS]), f"{data}/{cluster.engine_name}"]
    assert node.ask(on_node_services.may, user="nobody", how="r", paths=secret) == []
    assert node.ask(on_node_services.may, user="nobody", how="r", paths=["/etc/keydb-observer/observer.toml"])
