"""Nodes that have come to differ are made equal without anybody's doing, and it is said what was repaired."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

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


@pytest.fixture
def differing(mesh: Cluster) -> Iterator[dict[str, str]]:
    """The key has another value at a node that was cut off when it was written to on both sides: they were swapped."""
    cut, other = list(mesh.nodes.values())[-2:]
    peers = [node.address for node in mesh.nodes.values() if node is not cut]
    password, where = mesh.passwords["load"], {"port": mesh.port, "password": mesh.passwords["load"], "key": KEY}
    cut.ask(on_node_healing.cut_off, peers=peers, port=mesh.port)
    try:
        cut.ask(on_node_healing.write, address=cut.address, value="written while cut off", **where)
        other.ask(on_node_healing.write, address=other.address, value="written by another one", **where)
        time.sleep(CUT_S)
    finally:
        cut.ask(on_node_healing.join)
    found = cut.ask(
        on_node_healing.wait_for_values,
        addresses=mesh.addresses,
        port=mesh.port,
        password=password,
        key=KEY,
        different=True,
        wait=10,
    )
    yield found
    cut.ask(on_node_healing.delete, address=cut.address, **where)


def test_what_was_written_on_both_sides_of_a_cut_is_made_equal_and_told(
    mesh: Cluster, differing: dict[str, str]
) -> None:
    healing = healing_node(mesh)
    assert len(set(differing.values())) > 1, "there was nothing to repair"
    cursor = healing.ask(on_node_services.journal_cursor)
    before = healing.ask(on_node_healing.undo_files)
    found = healing.ask(
        on_node_healing.wait_for_values,
        timeout=HEAL_S + 30,
        addresses=mesh.addresses,
        port=mesh.port,
        password=mesh.passwords["load"],
        key=KEY,
        different=False,
        wait=HEAL_S,
    )
    assert len(set(found.values())) == 1, found
    assert set(found.values()) <= set(differing.values())

    said = healing.ask(on_node_healing.wait_for_lines, cursor=cursor, pattern="^healing: ", wait=30)
    # Of the service manager's own, that it starts and ends each time, there is nothing.
    of_unit = healing.ask(on_node_services.journal_of, unit="keydb-healing", cursor=cursor)
    assert [entry["MESSAGE"] for entry in of_unit if not entry["MESSAGE"].startswith("healing")] == []
    repairs = [entry for entry in said if entry["MESSAGE"].startswith("healing: ")]
    line = re.fullmatch(
        r"healing: \d+ keys? repaired \(.*value \d+.*\); undo file: (?P<file>/\S+\.jsonl).*", repairs[0]["MESSAGE"]
    )
    assert line, said
    assert int(repairs[0]["OBSERVER_REPAIRED_VALUE"]) >= 1
    after = healing.ask(on_node_healing.undo_files)
    new = [each for each in after if each not in before]
    assert [each["path"].rsplit("/", 1)[1] for each in new][:1] == [line["file"].rsplit("/", 1)[1]]
    assert {each["mode"] for each in new} == {"600"}
    assert set(new[0]["header"]["nodes"]) == set(mesh.nodes)
