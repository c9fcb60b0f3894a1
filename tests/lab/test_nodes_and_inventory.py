"""From the lab's parameters to nodes, inventory and podman's work."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import lab_hosts
import lab_plan
import pytest

MANAGEMENT, CLUSTER = "10.76.0.0/24", "10.77.0.0/24"


def nodes(count: int | str = 3) -> list[dict[str, str]]:
    return lab_plan.plan_nodes(count, "keydb-lab", MANAGEMENT, CLUSTER)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_every_node_has_addresses_of_its_own(count: int) -> None:
    planned = nodes(count)
    assert [node["name"] for node in planned] == [f"node{number}" for number in range(1, count + 1)]
    for key in ("container", "management_address", "management_mac", "cluster_address", "cluster_mac"):
        assert len({node[key] for node in planned}) == count
    assert all(ipaddress.ip_address(node["cluster_address"]) in ipaddress.ip_network(CLUSTER) for node in planned)
    assert not {node["management_mac"] for node in planned} & {node["cluster_mac"] for node in planned}


def test_macs_are_locally_administered_unicast() -> None:
    first_byte = int(nodes()[0]["cluster_mac"][:2], 16)
    assert first_byte & 0b11 == 0b10


@pytest.mark.parametrize("count", [0, 1, -1, 21, "0"])
def test_refuses_a_number_of_nodes_out_of_range(count: int | str) -> None:
    with pytest.raises(ValueError, match=f"LAB_NODES={count}: allowed are 2 to 20"):
        nodes(count)


def test_refuses_a_number_of_nodes_that_is_none() -> None:
    with pytest.raises(ValueError, match="LAB_NODES=three: allowed are 2 to 20"):
        nodes("three")


@pytest.mark.parametrize("cidr", ["10.77.0.0/28", "10.77.0.1/24", "nonsense"])
def test_refuses_a_network_that_cannot_hold_the_nodes(cidr: str) -> None:
    with pytest.raises(ValueError, match=r"too small|LAB_CLUSTER_CIDR=.*: not an IPv4 network"):
        lab_plan.plan_nodes(5, "keydb-lab", MANAGEMENT, cidr)


def test_refuses_one_network_for_both_purposes() -> None:
    with pytest.raises(ValueError, match=r"10\.76\.0\.0/24 and 10\.76\.0\.0/16 overlap"):
        lab_plan.plan_nodes(3, "keydb-lab", MANAGEMENT, "10.76.0.0/16")


def groups(count: int) -> dict[str, list[str]]:
    children = lab_plan.plan_inventory(nodes(count))["all"]["children"]
    return {group: list(content["hosts"]) for group, content in children.items()}


def test_the_observers_are_on_different_nodes() -> None:
    assert groups(5) == {
        "keydb_nodes": ["node1", "node2", "node3", "node4", "node5"],
        "observer_writer": ["node1"],
        "observer_listener_sync": ["node2"],
        "observer_listener_async": ["node3"],
    }


def test_of_two_nodes_the_listeners_share_the_one_without_the_writer() -> None:
    placed = groups(2)
    assert placed["observer_writer"] == ["node1"]
    assert placed["observer_listener_sync"] == placed["observer_listener_async"] == ["node2"]


def test_the_last_node_collects_the_figures_where_that_is_asked_for() -> None:
    assert "monitoring" not in lab_plan.plan_inventory(nodes())["all"]["children"]
    children = lab_plan.plan_inventory(nodes(), monitoring=True)["all"]["children"]
    assert children["monitoring"] == {"hosts": {"node3": {}}}


def test_every_host_has_both_addresses() -> None:
    hosts = lab_plan.plan_inventory(nodes())["all"]["children"]["keydb_nodes"]["hosts"]
    assert hosts["node3"] == {"ansible_host": "10.76.0.13", "cluster_network_address": "10.77.0.13"}


def test_finds_networks_that_collide() -> None:
    used = {"192.0.2.0/24": "eth0", "10.77.0.128/25": "tun0", "10.77.0.5": "wg0", "10.78.0.0/24": "podman1"}
    assert lab_hosts.lab_overlaps(CLUSTER, used) == ["10.77.0.128/25 (tun0)", "10.77.0.5 (wg0)"]
    assert lab_hosts.lab_overlaps(MANAGEMENT, used) == []


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://localhost:3142", "http://10.76.0.1:3142"),
        ("http://127.0.0.1:3142/", "http://10.76.0.1:3142/"),
        ("http://cache.example:3142", "http://cache.example:3142"),
        ("http://localhost.example:3142", "http://localhost.example:3142"),
    ],
)
def test_a_proxy_on_loopback_is_reached_at_the_gateway(proxy: str, expected: str) -> None:
    assert lab_hosts.lab_reachable_proxy(proxy, MANAGEMENT) == expected


def test_a_source_line_names_the_key() -> None:
    source = {"uri": "http://m.example/debian", "suite": "bookworm", "components": ["main"], "signed_by": "/k.gpg"}
    assert lab_hosts.lab_source_line(source) == "deb [signed-by=/k.gpg] http://m.example/debian bookworm main"


def test_equal_definitions_have_equal_digests() -> None:
    assert lab_hosts.lab_digest({"a": 1, "b": [2]}) == lab_hosts.lab_digest({"b": [2], "a": 1})
    assert lab_hosts.lab_digest({"a": 1}) != lab_hosts.lab_digest({"a": 2})


def container(name: str, state: str = "running", digest: str = "now") -> dict[str, Any]:
    return {"Names": [f"keydb-lab-{name}"], "State": state, "Labels": {"definition": digest}}


def actions(*existing: dict[str, Any], count: int = 2) -> dict[str, list[str]]:
    found = lab_hosts.lab_actions(nodes(count), existing, "definition", "now")
    return {
        "remove": found["remove"],
        "create": [node["name"] for node in found["create"]],
        "start": [node["name"] for node in found["start"]],
    }


def test_a_first_start_creates_every_node() -> None:
    assert actions() == {"remove": [], "create": ["node1", "node2"], "start": ["node1", "node2"]}


def test_running_nodes_are_left_alone() -> None:
    assert actions(container("node1"), container("node2")) == {"remove": [], "create": [], "start": []}


def test_a_stopped_node_is_started_as_it_is() -> None:
    found = actions(container("node1"), container("node2", state="exited"))
    assert found == {"remove": [], "create": [], "start": ["node2"]}


@pytest.mark.parametrize(
    "odd",
    [
        container("node2", digest="before"),
        container("node2", state="created"),
        container("node2", state="paused"),
        container("node2") | {"Labels": None},
    ],
    ids=["defined otherwise", "interrupted creation", "paused", "no labels"],
)
def test_an_unusable_node_is_made_anew(odd: dict[str, Any]) -> None:
    found = actions(container("node1"), odd)
    assert found == {"remove": ["keydb-lab-node2"], "create": ["node2"], "start": ["node2"]}


def test_nodes_beyond_the_wanted_number_go() -> None:
    found = actions(container("node1"), container("node2"), container("node3"))
    assert found == {"remove": ["keydb-lab-node3"], "create": [], "start": []}


def test_a_lab_of_the_same_name_elsewhere_is_noticed_while_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "inventory").mkdir(parents=True)
    theirs, gone, ours = str(tmp_path / "theirs"), str(tmp_path / "gone"), str(tmp_path / "ours")
    existing = [{"Labels": {"state": owner}} for owner in (theirs, gone, ours)] + [{"Labels": None}]
    assert lab_hosts.lab_owners(existing, "state", ours) == [theirs]
    assert lab_hosts.lab_owners(existing[1:], "state", ours) == []
