"""What a run's servers are configured with."""

from __future__ import annotations

from typing import Any

import pytest
from keydb_bench.engine_config import Variant, configuration, users
from keydb_bench.host import Host

PASSWORD = "a-password-of-one-run"
ENGINES = {
    "keydb": {"server": "/k", "benchmark": "/b", "threads": "server-threads", "keydb": "yes"},
    "redis": {"server": "/r", "benchmark": "/b", "threads": "io-threads", "keydb": ""},
}
HOST = Host(
    name="node1",
    address="10.77.0.11",
    network="10.77.0.0/24",
    first_port=16379,
    user="keydb",
    server_tls="/etc/keydb/tls",
    client_tls="/etc/keydb-observer/tls",
    observer="/usr/local/bin/keydb-observer",
    state="/var/lib/keydb-bench",
    data="/var/lib/keydb-bench-data",
    maxmemory_mb=128,
    appendfsync="everysec",
    lasts_s=1800,
    engines=ENGINES,
)


def lines(**changes: Any) -> list[str]:
    given: dict[str, Any] = {
        "engine": "keydb",
        "tls": True,
        "authentication": True,
        "persistence": True,
        "threads": 2,
        "scheduling": "other",
    }
    return configuration(HOST, Variant.of(given | changes), PASSWORD).splitlines()


@pytest.mark.parametrize(
    ("changes", "there", "absent"),
    [
        (
            {},
            ["port 0", "tls-port 16379", "tls-auth-clients yes", "appendonly yes", "server-threads 2"],
            ["port 16379"],
        ),
        ({"tls": False}, ["port 16379"], ["tls-port 16379", "tls-auth-clients yes"]),
        ({"persistence": False}, ["appendonly no"], ["appendonly yes"]),
        ({"engine": "redis", "threads": 4}, ["io-threads 4"], ["server-threads 4", "enable-motd no"]),
        ({"authentication": False}, [], [f"masterauth {PASSWORD}"]),
        (
            {"sources": ["10.77.0.12"], "is_mesh": True},
            ["active-replica yes", "multi-master-no-forward yes", "replicaof 10.77.0.12 16379"],
            [],
        ),
        ({"engine": "redis", "sources": ["10.77.0.12"]}, ["replicaof 10.77.0.12 16379"], ["active-replica yes"]),
    ],
)
def test_only_what_is_compared_differs(changes: dict[str, Any], there: list[str], absent: list[str]) -> None:
    found = lines(**changes)
    assert [line for line in there if line not in found] == []
    assert [line for line in absent if line in found] == []


def test_a_mesh_is_declared_before_its_sources() -> None:
    """Or KeyDB refuses to start."""
    found = lines(sources=["10.77.0.12"], is_mesh=True)
    assert found.index("multi-master yes") < found.index("replicaof 10.77.0.12 16379")


@pytest.mark.parametrize("changes", [{}, {"tls": False}, {"engine": "redis"}, {"persistence": False}])
def test_memory_is_never_filled_and_the_address_is_the_clusters(changes: dict[str, Any]) -> None:
    found = lines(**changes)
    assert {"maxmemory 134217728", "maxmemory-policy noeviction", "bind 10.77.0.11"} <= set(found)


@pytest.mark.parametrize("authentication", [True, False])
def test_nobody_may_change_the_server(authentication: bool) -> None:
    text = users(Variant("keydb", True, authentication, True, 1, "other"), PASSWORD)
    assert PASSWORD not in text
    assert "-@all" in text
    assert "+config|get" in text
    assert not any(word in text.split() for word in ("+config", "+@all", "+flushall", "+@admin", "+debug"))
    assert ("user default off" in text) is authentication
