"""Nodes that have come to differ are made equal without anybody's doing, and it is said what was repaired."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import on_node_healing
import on_node_services
import pytest
from nodes_cluster import Cluster, Node

KEY = "load:nodes-test-healing"
CUT_S, HEAL_S = 3, 120


def healing_node(cluster: Cluster) -> Node:
    return cluster.nodes[str(cluster.variables.get("healing_node") or next(iter(cluster.nodes)))]


@pytest.fixture
def mesh(cluster: Cluster) -> Cluster:
    if not cluster.engine.is_mesh:
        pytest.skip(f"{cluster.engine.title} has replicas, which a new synchronisation mends")
    return cluster


def test_the_timer_is_on_one_node_of_a_mesh_and_on_none_of_others(cluster: Cluster) -> None:
    described = {name: node.ask(on_node_healing.describe) for name, node in cluster.nodes.items()}
    timers = {name: each["keydb-healing.timer"]["ActiveState"] for name, each in described.items()}
    expected = healing_node(cluster).name if cluster.engine.is_mesh else ""
    assert timers == {name: "active" if name == expected else "inactive" for name in cluster.nodes}
    loaded = [name for name, each in described.items() if each["keydb-healing.service"]["LoadState"] != "not-found"]
    assert loaded == ([expected] if expected else [])
    if expected:
        assert described[expected]["keydb-healing.timer"]["UnitFileState"] == "enabled"
        assert described[expected]["keydb-healing.service"]["Result"] == "success"
        assert 0 <= described[expected]["exposure"] <= 2.0


WRITTEN = {"written while cut off", "written by another one"}


@pytest.fixture
def cut_meanwhile(mesh: Cluster) -> Iterator[dict[str, Any]]:
    """The key was written at a node that was cut off and at another one: each has the other's value then.

    Yields where the healing node's journal ended before, and its files that undo repairs.
    """
    healing = healing_node(mesh)
    before = {
        "cursor": healing.ask(on_node_services.journal_cursor),
        "undo_files": healing.ask(on_node_healing.undo_files),
    }
    cut, other = list(mesh.nodes.values())[-2:]
    peers = [node.address for node in mesh.nodes.values() if node is not cut]
    where = {"port": mesh.port, "password": mesh.passwords["load"], "key": KEY}
    cut.ask(on_node_healing.cut_off, peers=peers, port=mesh.port)
    try:
        for node, value in zip((cut, other), sorted(WRITTEN), strict=True):
            node.ask(on_node_healing.write, address=node.address, value=value, **where)
        time.sleep(CUT_S)
    finally:
        cut.ask(on_node_healing.join)
    yield before
    cut.ask(on_node_healing.delete, address=cut.address, **where)


def test_what_was_written_on_both_sides_of_a_cut_is_made_equal_and_told(
    mesh: Cluster, cut_meanwhile: dict[str, Any]
) -> None:
    healing = healing_node(mesh)
    # First this: while the links come back, the nodes may be equal for a moment before they are different.
    said = healing.ask(
        on_node_healing.wait_for_lines,
        timeout=HEAL_S + 30,
        cursor=cut_meanwhile["cursor"],
        pattern="^healing: ",
        wait=HEAL_S,
    )
    found = healing.ask(
        on_node_healing.wait_until_equal,
        timeout=HEAL_S + 30,
        addresses=mesh.addresses,
        port=mesh.port,
        password=mesh.passwords["load"],
        key=KEY,
        wait=HEAL_S,
    )
    assert len(set(found.values())) == 1, found
    assert set(found.values()) <= WRITTEN
    # Of the service manager's own, that it starts and ends each time, there is nothing.
    assert [entry["MESSAGE"] for entry in said if not entry["MESSAGE"].startswith("healing")] == []
    repairs = [entry for entry in said if entry["MESSAGE"].startswith("healing: ")]
    line = re.fullmatch(
        r"healing: \d+ keys? repaired \(.*value \d+.*\); undo file: (?P<file>/\S+\.jsonl).*", repairs[0]["MESSAGE"]
    )
    assert line, said
    assert int(repairs[0]["OBSERVER_REPAIRED_VALUE"]) >= 1
    after = healing.ask(on_node_healing.undo_files)
    new = [each for each in after if each not in cut_meanwhile["undo_files"]]
    assert [each["path"].rsplit("/", 1)[1] for each in new][:1] == [line["file"].rsplit("/", 1)[1]]
    assert {each["mode"] for each in new} == {"600"}
    assert set(new[0]["header"]["nodes"]) == set(mesh.nodes)
