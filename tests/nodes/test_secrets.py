"""Secrets are nowhere but where they must be: no command line, environment, unit, journal or file for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import on_node_secrets
import pytest
from nodes_cluster import Cluster, Node, Secret

testinfra_hosts = ["ansible://keydb_nodes"]

KEYS = ["/etc/keydb/tls/server.key", "/etc/keydb-observer/tls/client.key"]
# Where somebody else's programs and files are as well; what is not here is the distribution's own, or no disk.
DIRECTORIES = ["/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"]  # noqa: S108 - nothing is written there


@pytest.fixture(scope="module")
def secrets(cluster: Cluster, node: Node) -> dict[str, Secret]:
    """Every password, and every line of each private key, by what it is."""
    wanted = {f"the password of {user}": password for user, password in cluster.passwords.items()}
    users = {"replication", "writer", "listener_sync", "listener_async"}
    users |= {"load", "storm", "health", "operator", "verify"}
    users |= {"audit", *(["repair"] if cluster.engine.is_mesh else [])}
    assert users <= set(cluster.passwords)
    assert all(len(password) >= 16 for password in wanted.values())
    ca_key = on_node_secrets.private_key_lines([str(cluster.secrets_dir / "ca.key")])
    own = node.ask(on_node_secrets.private_key_lines, paths=KEYS)
    assert ca_key
    assert own
    return wanted | {name: Secret(line) for name, line in (ca_key | own).items()}


@pytest.mark.parametrize(("kind", "known"), [("cmdline", "keydb-observer/observer.toml"), ("environ", "PATH=")])
def test_not_in_any_process(node: Node, secrets: dict[str, Secret], kind: str, known: str) -> None:
    report = node.ask(on_node_secrets.search_processes, wanted=secrets, kind=kind, known=known)
    assert report["found"] == []
    assert report["saw_known"], report


def test_not_in_any_unit(node: Node, secrets: dict[str, Secret]) -> None:
    report = node.ask(on_node_secrets.search_units, wanted=secrets, known="ExecStartPre=/bin/sh -c 'exec sha256sum")
    assert report["found"] == []
    assert report["saw_known"], report


def test_not_in_the_journal(node: Node, secrets: dict[str, Secret]) -> None:
    # Ansible's modules log how they were called; those that carry secrets are among them.
    report = node.ask(on_node_secrets.search_journal, wanted=secrets, known="keydb_live_config")
    assert report["found"] == []
    assert report["saw_known"], report


@pytest.fixture(scope="module")
def files(cluster: Cluster, node: Node, secrets: dict[str, Secret]) -> dict[str, dict[str, Any]]:
    """What the search through the files found; the authority's key must not even be in one that only root may read."""
    everywhere = {what: secret for what, secret in secrets.items() if what.startswith(str(cluster.secrets_dir))}
    assert everywhere
    found: dict[str, dict[str, Any]] = node.ask(
        on_node_secrets.search_files,
        directories=DIRECTORIES,
        known=cluster.nodes[node.name].address,
        everywhere=everywhere,
        everybodys=secrets,
    )
    return found


def test_not_in_a_file_for_everybody(files: dict[str, dict[str, Any]]) -> None:
    assert files["readable"]["found"] == []
    assert files["readable"]["saw_known"]


def test_the_authoritys_key_is_on_no_node(node: Node, files: dict[str, dict[str, Any]]) -> None:
    assert node.ask(on_node_secrets.files_named, name="ca.key", directories=DIRECTORIES) == []
    assert files["others"]["found"] == []
    assert files["others"]["saw_known"]


def test_the_search_would_find_them(cluster: Cluster, node: Node) -> None:
    """Where they must be, they are found; and of the files for everybody, only those."""
    searched = node.ask(
        on_node_secrets.search_files,
        directories=["/etc/keydb"],
        known="BEGIN CERTIFICATE",
        everywhere={"replication": cluster.passwords["replication"]},
        everybodys={"a certificate": "BEGIN CERTIFICATE"},
    )
    assert searched["others"]["found"] == ["replication in /etc/keydb/replication-auth.conf"]
    assert set(searched["readable"]["found"]) >= {"a certificate in /etc/keydb/tls/ca.crt"}


def test_the_controller_keeps_them_to_its_user(cluster: Cluster) -> None:
    directory = cluster.secrets_dir
    below = [path for path in [directory, *directory.rglob("*")] if path.name != "ca.crt"]
    modes = {str(path): f"{path.stat().st_mode & 0o777:o}" for path in below}
    assert modes == {str(path): "700" if path.is_dir() else "600" for path in below}
    assert Path(directory, "ca.key") in below
