"""A server that is killed: it comes back by itself, and the listener beside it accounts for every write."""

from __future__ import annotations

import re
from typing import Any

import on_node_services
import pytest
from nodes_cluster import Cluster, Node
from nodes_journal import READ, fields_of

UNIT = "observer-listener-sync"
SECONDS = 60


def accounted_for(entries: list[dict[str, Any]]) -> set[int]:
    """Sequence numbers that a listener says it read, found upon subscribing, or missed."""
    numbers: set[int] = set()
    for entry in entries:
        missed = re.fullmatch(r"listener-sync missed \d+ of \S+: seq (\d+) to (\d+)", entry["MESSAGE"])
        if missed:
            numbers.update(range(int(missed.group(1)), int(missed.group(2)) + 1))
        elif re.match(r"listener-sync (read|found on subscribing) ", entry["MESSAGE"]):
            numbers.add(fields_of(entry)["SEQ"])
    return numbers


@pytest.fixture(scope="module")
def listening(cluster: Cluster) -> Node:
    """The node of the synchronous listener."""
    (node,) = cluster.with_observer(UNIT)
    return node


def test_a_killed_server_comes_back_and_its_listener_accounts_for_every_write(
    cluster: Cluster, listening: Node
) -> None:
    before = accounted_for(listening.ask(on_node_services.journal_of, unit=UNIT))
    killed = listening.ask(on_node_services.kill_server)
    assert killed["ActiveState"] == "active"

    well = listening.ask(on_node_services.wait_until_well, timeout=SECONDS + 30, pid=killed["MainPID"], wait=SECONDS)
    assert well["ActiveState"] == "active"
    assert well["MainPID"] != killed["MainPID"]
    assert int(well["NRestarts"]) == int(killed["NRestarts"]) + 1
    assert well["exit_code"] == 0, well["said"]
    for other in cluster.nodes.values():
        assert other.ask(on_node_services.observer_status)["exit_code"] == 0, other.name

    entries = listening.ask(
        on_node_services.wait_for_lines,
        timeout=SECONDS + 30,
        unit=UNIT,
        pattern=READ.pattern,
        lines=1,
        wait=2 * cluster.interval + 10,
        cursor=killed["cursor"],
    )
    told = [entry["MESSAGE"] for entry in entries]
    assert [entry["OBSERVER_TROUBLE"] for entry in entries if "OBSERVER_TROUBLE" in entry][-1:] == ["none"], told
    assert any("well again after" in message for message in told), told
    read = [fields_of(entry)["SEQ"] for entry in entries if READ.fullmatch(entry["MESSAGE"])]
    assert read, told
    assert set(range(max(before), read[-1] + 1)) - before - accounted_for(entries) == set()
    # The listener outlived it, rather than having been started again.
    assert not any(message.startswith("Started ") for message in told), told
