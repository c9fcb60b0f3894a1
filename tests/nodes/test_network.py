"""The ports of engine and observers: from where they can be reached, and that nobody else's rules suffer."""

from __future__ import annotations

import socket

import on_node_firewall
import on_node_services
import pytest
from nodes_cluster import Cluster, Node

testinfra_hosts = ["ansible://keydb_nodes"]

OURS, FOREIGN = f"inet {on_node_firewall.TABLE}", f"inet {on_node_firewall.FOREIGN}"


def test_the_engine_listens_on_the_cluster_network_only(cluster: Cluster, node: Node) -> None:
    own = f"{node.address}:{cluster.port}"
    assert node.ask(on_node_services.listening_on, port=cluster.port) == [own]
    assert node.ask(on_node_services.listening_of, program=cluster.engine.program) == [own]


def test_the_observers_serve_their_figures_on_the_cluster_network_only(cluster: Cluster, node: Node) -> None:
    for unit in node.observers:
        port = cluster.metrics_port(unit)
        assert node.ask(on_node_services.listening_on, port=port) == [f"{node.address}:{port}"]


def test_the_controller_cannot_reach_them(cluster: Cluster, node: Node) -> None:
    """Over the management network it reaches SSH, or nothing here would run, and nothing else of ours."""
    for port in cluster.ports_of(node):
        with pytest.raises(OSError, match=r"timed out|refused"):
            socket.create_connection((node.management_address, port), timeout=1)


def test_only_the_cluster_network_leads_to_them(cluster: Cluster, node: Node) -> None:
    other = cluster.next_to(node)
    for port in cluster.ports_of(node):
        before = node.ask(on_node_firewall.dropped)
        outcomes = other.ask(
            on_node_firewall.try_ways,
            target=node.address,
            via=node.management_address,
            port=port,
            own=other.address,
            own_management=other.management_address,
        )
        assert outcomes.pop("cluster network") == "connected", port
        assert len(outcomes) == 3
        assert {way: outcome for way, outcome in outcomes.items() if outcome == "connected"} == {}, port
        # The management address and the management network at least come as far as our table.
        assert node.ask(on_node_firewall.dropped) - before >= 2, port


def test_the_table_closes_the_ports_that_are_served_and_no_others(cluster: Cluster, node: Node) -> None:
    ports = ", ".join(map(str, sorted(cluster.ports_of(node))))
    rules = node.ask(on_node_firewall.rules, table=OURS)
    assert [rule for rule in rules if "dport" in rule] == [f"tcp dport {{ {ports} }} jump cluster_only"]


def test_another_table_outlives_our_unit(node: Node) -> None:
    """Our unit loads, reloads and unloads its own table and touches no other."""
    seen = node.ask(on_node_firewall.reload_beside_foreign_table)
    assert "counter" in " ".join(seen["before"])
    for verb in ("reload", "restart", "stop"):
        assert seen[verb]["foreign"] == seen["before"], verb
    assert {OURS, FOREIGN} <= set(seen["reload"]["tables"])
    assert {OURS, FOREIGN} <= set(seen["restart"]["tables"])
    assert OURS not in seen["stop"]["tables"]
    assert set(node.ask(on_node_firewall.tables)) >= {OURS}
    assert FOREIGN not in node.ask(on_node_firewall.tables)


def test_our_table_outlives_the_distributions_flush(node: Node) -> None:
    seen = node.ask(on_node_firewall.flush_by_nftables)
    assert seen["before"]
    for verb in ("start", "reload", "restart"):
        assert seen[verb] == {"unit": "active", "rules": seen["before"]}, verb
    assert OURS in node.ask(on_node_firewall.tables)
