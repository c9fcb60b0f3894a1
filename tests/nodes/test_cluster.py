"""The cluster: every node hears of every write, and knows how everybody is."""

from __future__ import annotations

import time
from typing import Any

import on_node_engine
import on_node_services
import pytest
from nodes_cluster import LISTENERS, OBSERVERS, Cluster, Node
from nodes_journal import READ

testinfra_hosts = ["ansible://keydb_nodes"]


def test_a_write_here_reaches_and_wakes_every_node(cluster: Cluster, node: Node) -> None:
    seen = node.ask(
        on_node_engine.write_and_watch,
        own=node.name,
        addresses=cluster.addresses,
        port=cluster.port,
        password=cluster.passwords["verify"],
    )
    if cluster.is_writable(node):
        assert seen["arrived"] == sorted(cluster.nodes)
        assert seen["told"] == dict.fromkeys(cluster.nodes, "set")
    else:
        assert "read only replica" in seen["refused"]


@pytest.fixture(scope="module")
def answer(node: Node) -> dict[str, Any]:
    """What keydb-observer status says on the node."""
    said: dict[str, Any] = node.ask(on_node_services.observer_status)
    return said


def test_status_knows_that_all_is_well(cluster: Cluster, answer: dict[str, Any]) -> None:
    assert answer["exit_code"] == 0, answer["said"]
    status = answer["status"]
    assert status["ok"] is True
    described = {each["node"]: each for each in status["nodes"]}
    assert set(described) == set(cluster.nodes)
    for each in cluster.nodes.values():
        told = described[each.name]
        assert told["engine"] == cluster.engine.title
        assert told["address"] == f"{each.address}:{cluster.port}"
        assert told["links_up"] == told["links_expected"] == cluster.links_of(each)
        assert [observer["name"] for observer in told["observers"]] == [
            unit.removeprefix("observer-") for unit in each.observers
        ]


@pytest.fixture(scope="module")
def answer_after_an_event(cluster: Cluster, node: Node) -> dict[str, Any]:
    """The same, once both listeners have read a write that an event told of, and have reported that."""
    wait = 2 * cluster.interval + 10
    for unit in LISTENERS:
        for listening in cluster.with_observer(unit):
            listening.ask(
                on_node_services.wait_for_lines,
                timeout=wait + 30,
                unit=unit,
                pattern=READ.pattern,
                lines=1,
                wait=wait,
            )
    # They report once a second, and a report has to replicate.
    time.sleep(3)
    said: dict[str, Any] = node.ask(on_node_services.observer_status)
    return said


def test_status_knows_the_listeners_figures(cluster: Cluster, answer_after_an_event: dict[str, Any]) -> None:
    answer = answer_after_an_event
    observers = {each["name"]: each for entry in answer["status"]["nodes"] for each in entry["observers"]}
    where = {each["name"]: entry["node"] for entry in answer["status"]["nodes"] for each in entry["observers"]}
    assert set(observers) == {unit.removeprefix("observer-") for unit in OBSERVERS}
    for name in (unit.removeprefix("observer-") for unit in LISTENERS):
        figures = observers[name]
        assert (figures["follows"], figures["stale"]) == (where[name], False)
        # chronyd knows how far the clock may be off: never by nothing, and between containers by less than 10 ms.
        assert 0 < figures["error_ns"] < 10_000_000
        assert figures["counts"]["read"] >= figures["run"]["count"] >= figures["minute"]["count"]
        run = figures["run"]
        assert run["count"] > 0
        assert 0 < run["p50_ns"] <= run["p90_ns"] <= run["p99_ns"] <= run["p999_ns"] <= run["max_ns"]
        assert abs(figures["seq"] - observers["writer"]["seq"]) <= 1
        assert 0 <= figures["age_ns"] < 3 * cluster.interval * 1e9
