"""Replication links, read from what INFO says."""

from __future__ import annotations

import ssl

import keydb_node
import pytest
import redis
from ansible.module_utils.basic import AnsibleModule
from redis._parsers.helpers import parse_info

MESH = """\
# Replication
role:active-replica
master_global_link_status:{overall}
connected_masters:{count}
{masters}slave_priority:100
slave_read_only:0
connected_slaves:{replicas}
{slaves}master_failover_state:no-failover
"""


def master(index: int, address: str, status: str = "up", syncing: int = 0) -> str:
    prefix = "master" if index == 0 else f"master_{index}"
    return (
        f"{prefix}_host:{address}\n{prefix}_port:6379\n{prefix}_link_status:{status}\n"
        f"{prefix}_last_io_seconds_ago:1\n{prefix}_sync_in_progress:{syncing}\nslave_repl_offset:43397\n"
    )


def slave(index: int, address: str, state: str = "online") -> str:
    return f"slave{index}:ip={address},port=6379,state={state},offset=9549,lag=0\n"


def links(masters: list[str], slaves: list[str]) -> keydb_node.Links:
    text = MESH.format(
        overall="up", count=len(masters), masters="".join(masters), replicas=len(slaves), slaves="".join(slaves)
    )
    return keydb_node.links(parse_info(text))


def test_a_node_of_a_mesh_without_masters() -> None:
    assert links([], []) == keydb_node.Links({}, {})


def test_a_node_of_a_mesh_with_one_master() -> None:
    assert links([master(0, "10.77.0.11")], [slave(0, "10.77.0.11")]) == keydb_node.Links(
        {"10.77.0.11": "up"}, {"10.77.0.11": "up"}
    )


def test_a_node_of_a_mesh_with_three_masters() -> None:
    seen = links(
        [master(0, "10.77.0.11"), master(1, "10.77.0.13", "down"), master(2, "10.77.0.14", "down", syncing=1)],
        [slave(0, "10.77.0.11"), slave(1, "10.77.0.13", "wait_bgsave")],
    )
    assert seen.sources == {"10.77.0.11": "up", "10.77.0.13": "down", "10.77.0.14": "synchronising"}
    assert seen.replicas == {"10.77.0.11": "up", "10.77.0.13": "wait_bgsave"}


def test_the_mesh_as_a_whole_is_no_link() -> None:
    """KeyDB also says ``master_global_link_status``."""
    assert "" not in links([master(0, "10.77.0.11")], []).sources
    assert len(links([master(0, "10.77.0.11")], []).sources) == 1


def test_a_primary() -> None:
    text = "role:master\nconnected_slaves:2\n" + slave(0, "10.77.0.12") + slave(1, "10.77.0.13", "send_bulk")
    seen = keydb_node.links(parse_info(text + "master_replid:90993\nmaster_repl_offset:9663\n"))
    assert seen == keydb_node.Links({}, {"10.77.0.12": "up", "10.77.0.13": "send_bulk"})


@pytest.mark.parametrize(
    ("status", "syncing", "state"), [("up", 0, "up"), ("down", 0, "down"), ("down", 1, "synchronising")]
)
def test_a_replica(status: str, syncing: int, state: str) -> None:
    text = (
        f"role:slave\nmaster_host:10.77.0.11\nmaster_port:6379\nmaster_link_status:{status}\n"
        f"master_sync_in_progress:{syncing}\nslave_read_only:1\nconnected_slaves:0\n"
    )
    assert keydb_node.links(parse_info(text)) == keydb_node.Links({"10.77.0.11": state}, {})


def test_what_is_missing_is_named_with_its_state() -> None:
    seen = keydb_node.Links({"a": "up", "b": "down"}, {"a": "wait_bgsave"})
    assert seen.missing(["a"], []) == {}
    assert seen.missing(["a", "b", "c"], ["a", "c"]) == {
        "from b": "down",
        "from c": "not configured",
        "to a": "wait_bgsave",
        "to c": "not connected",
    }


def test_a_reason_is_one_line() -> None:
    assert keydb_node.reason(redis.ConnectionError("Error 111\n  connecting.")) == "Error 111 connecting."
    assert keydb_node.reason(redis.TimeoutError()) == "TimeoutError"


def test_a_module_trusts_no_authority_but_those_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        # It is put back to what it was afterwards.
        monkeypatch.setenv(name, "set by the test")
    keydb_node.require_redis(AnsibleModule.__new__(AnsibleModule))
    assert ssl.create_default_context().get_ca_certs() == []
