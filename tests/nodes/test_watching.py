"""Exporters on every node, and Prometheus that sees them all and tells when one stops.

One is stopped here, so this comes after the tests that read what the observers said last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import on_node_clock
import on_node_monitoring
import on_node_services
import pytest
from monitoring_alerts import Scrape, assert_firing
from nodes_cluster import Cluster, Node

EXPORTERS = {"keydb-node-exporter": 9100, "keydb-engine-exporter": 9121}
PROMETHEUS = 9090
RULES = "/etc/keydb-monitoring/rules.yml"
MASKED = ["prometheus-node-exporter", "prometheus-redis-exporter"]
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Node:
    """The monitoring host."""
    servers = [node for node in cluster.nodes.values() if "monitoring" in node.groups]
    if not servers:
        pytest.skip("the inventory names no monitoring host")
    return servers[0]


def test_exactly_the_units_of_the_hosts_groups_run_and_little_may_they(cluster: Cluster, server: Node) -> None:
    for node in cluster.nodes.values():
        units = [*EXPORTERS, *(["keydb-prometheus"] if node is server else [])]
        described = node.ask(on_node_services.describe_units, units=[*EXPORTERS, "keydb-prometheus", *MASKED])
        active = [name for name, unit in described.items() if unit["ActiveState"] == "active"]
        assert active == units
        assert {described[name]["UnitFileState"] for name in units} == {"enabled"}
        assert all(0 <= described[name]["exposure"] <= 2.0 for name in units), described
        assert {name: described[name]["capabilities"] for name in units} == {name: ["0" * 16] for name in units}
        assert len({described[name]["uid"] for name in units}) == len(units)
        assert {described[name]["LoadState"] for name in MASKED} == {"masked"}


def test_exporters_listen_on_the_cluster_network_and_prometheus_on_loopback(cluster: Cluster, server: Node) -> None:
    for node in cluster.nodes.values():
        for port in EXPORTERS.values():
            assert node.ask(on_node_services.listening_on, port=port) == [f"{node.address}:{port}"]
    assert server.ask(on_node_services.listening_on, port=PROMETHEUS) == [f"127.0.0.1:{PROMETHEUS}"]


@pytest.mark.parametrize("port", EXPORTERS.values(), ids=EXPORTERS)
@pytest.mark.usefixtures("server")
def test_an_exporter_serves_who_shows_a_certificate_and_nobody_else(cluster: Cluster, port: int) -> None:
    node = next(iter(cluster.nodes.values()))
    other = cluster.next_to(node)
    figures = other.ask(on_node_monitoring.served, address=node.address, port=port, with_certificate=True)
    assert ("redis_up 1" if port == EXPORTERS["keydb-engine-exporter"] else "node_uname_info") in figures
    refused = other.ask(on_node_monitoring.served, address=node.address, port=port, with_certificate=False)
    assert "certificate required" in refused or "bad certificate" in refused


@pytest.mark.usefixtures("server")
def test_the_password_is_for_root_only(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        modes = node.ask(on_node_services.describe_files, paths=["/etc/keydb-monitoring/engine-exporter.json"])
        assert list(modes.values()) == ["600 root:root"]


def test_prometheus_sees_every_target(cluster: Cluster, server: Node) -> None:
    expected = [
        *(("node", name) for name in cluster.nodes),
        *(("engine", name) for name in cluster.nodes),
        *(("observer", node.name) for node in cluster.nodes.values() for _ in node.observers),
        ("prometheus", server.name),
    ]
    found = server.ask(
        on_node_monitoring.wait_for_targets,
        timeout=PATIENCE_S + 30,
        port=PROMETHEUS,
        count=len(expected),
        wait=PATIENCE_S,
    )
    assert found == sorted([job, node, "up", ""] for job, node in expected)


def test_every_link_has_a_name_at_both_ends(cluster: Cluster, server: Node) -> None:
    samples = server.ask(on_node_monitoring.query, port=PROMETHEUS, expression="redis_master_link_up")
    links = {(each["labels"]["node"], each["labels"]["peer"]): each["value"] for each in samples}
    expected = {
        (node.name, peer.name)
        for node in cluster.nodes.values()
        for peer in cluster.nodes.values()
        if node is not peer
        and (cluster.engine.is_mesh or (cluster.is_writable(peer) and not cluster.is_writable(node)))
    }
    assert links == dict.fromkeys(expected, 1)


def test_facts_that_no_exporter_has(cluster: Cluster, server: Node) -> None:
    def values(name: str) -> dict[str, float]:
        samples = server.ask(on_node_monitoring.query, port=PROMETHEUS, expression=name)
        return {each["labels"]["node"]: each["value"] for each in samples}

    assert set(values("min by (node) (keydb:certificate_left_days)")) == set(cluster.nodes)
    assert min(values("min by (node) (keydb:certificate_left_days)").values()) > 30
    # A node looks every 30 s, and may have looked while chronyd was being restarted by the tests of time.
    synchronised = dict.fromkeys(cluster.nodes, 1.0)
    assert synchronised == server.ask(
        on_node_monitoring.wait_for_values,
        timeout=PATIENCE_S + 30,
        port=PROMETHEUS,
        expression="keydb_node_clock_synchronised",
        expected=synchronised,
        wait=PATIENCE_S,
    )
    assert all(0 <= error < 0.01 for error in values("keydb_node_clock_error_seconds").values())
    healing = cluster.variables.get("healing_node") or next(iter(cluster.nodes))
    # It has read what the healing keeps, which is for the healing's own user.
    assert set(values("keydb_healing_run_timestamp_seconds")) == ({healing} if cluster.engine.is_mesh else set())


def test_a_clock_that_is_set_over_a_slow_path_may_be_wrong(cluster: Cluster, server: Node, tmp_path: Path) -> None:
    """The figures are those of a real chronyd; promtool lets two minutes pass that nobody has to wait for."""
    leader, *_, node = cluster.nodes.values()
    behind, after = node.ask(
        on_node_clock.facts_behind_a_slow_path,
        timeout=PATIENCE_S,
        address=node.address,
        server=leader.address,
        delay_s=0.004,
        wait=30.0,
    )
    rules = tmp_path / "rules.yml"
    rules.write_text(server.ask(on_node_clock.rules, path=RULES), "utf-8")

    def firing(figures: str, expected: list[tuple[str, str]]) -> None:
        assert_firing(rules, [(150, [Scrape(figures, "node", node.name, time.time())])], expected)

    firing(behind, [("ClockError", node.name)])
    firing(after, [])


@pytest.fixture
def stopped(cluster: Cluster, server: Node) -> Iterator[Node]:
    """A node that others replicate from, whose engine is stopped."""
    node = next(node for node in cluster.nodes.values() if cluster.is_writable(node) and node is not server)
    node.ask(on_node_monitoring.stop_engine, back_after=int(PATIENCE_S) + 60)
    try:
        yield node
    finally:
        node.ask(on_node_monitoring.start_engine, timeout=120)


def test_an_engine_that_stops_is_told_by_its_host_and_by_who_replicates_from_it(
    cluster: Cluster, server: Node, stopped: Node
) -> None:
    others = [node.name for node in cluster.nodes.values() if node is not stopped]
    expected = sorted([["EngineDown", stopped.name], *(["LinkDown", name] for name in others)])
    found = server.ask(
        on_node_monitoring.wait_for_alerts,
        timeout=PATIENCE_S + 30,
        port=PROMETHEUS,
        expected=expected,
        wait=PATIENCE_S,
    )
    assert [each for each in expected if each not in found] == [], found
