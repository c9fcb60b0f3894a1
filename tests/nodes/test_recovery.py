"""A server that is killed: it comes back by itself, and the listener beside it accounts for every write.

While its node is away the listener goes to the next one, and it comes home.
"""

from __future__ import annotations

import re
from typing import Any

import on_node_services
import pytest
from nodes_cluster import Cluster, Node
from nodes_journal import READ, fields_of

UNIT = "observer-listener-sync"
SECONDS = 60
BLIND = re.compile(r"listener-sync was blind for [0-9.]+ seconds, and has read 1 key again at (?P<node>\S+): .*")


def accounted_for(entries: list[dict[str, Any]]) -> set[int]:
    """Sequence numbers that a listener says it read, found upon subscribing, or did not read."""
    numbers: set[int] = set()
    for entry in entries:
        without = re.fullmatch(
            r"listener-sync (?:missed|superseded) \d+ of \S+: (?:of )?seq (\d+) to (\d+)", entry["MESSAGE"]
        )
        if without:
            numbers.update(range(int(without.group(1)), int(without.group(2)) + 1))
        elif re.match(r"listener-sync (read|found on subscribing) ", entry["MESSAGE"]):
            numbers.add(fields_of(entry)["SEQ"])
    return numbers


@pytest.fixture(scope="module")
def listening(cluster: Cluster) -> Node:
    """The node of the synchronous listener."""
    (node,) = cluster.with_observer(UNIT)
    return node


def lines_since(cluster: Cluster, node: Node, cursor: str, pattern: str, wait: float = 0) -> list[dict[str, Any]]:
    """The listener's journal since then, once a line matches that comes within an interval or two and ``wait``."""
    entries: list[dict[str, Any]] = node.ask(
        on_node_services.wait_for_lines,
        timeout=wait + 2 * cluster.interval + 40,
        unit=UNIT,
        pattern=pattern,
        lines=1,
        wait=wait + 2 * cluster.interval + 10,
        cursor=cursor,
    )
    return entries


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

    lines_since(cluster, listening, killed["cursor"], rf"read 1 key again at {listening.name}:", wait=SECONDS)
    home = listening.ask(on_node_services.journal_cursor)
    lines_since(cluster, listening, home, READ.pattern)
    entries = listening.ask(on_node_services.journal_of, unit=UNIT, cursor=killed["cursor"])
    told = [entry["MESSAGE"] for entry in entries]
    assert [entry["OBSERVER_TROUBLE"] for entry in entries if "OBSERVER_TROUBLE" in entry][-1:] == ["none"], told
    assert any("well again after" in message for message in told), told
    assert [match["node"] for match in map(BLIND.fullmatch, told) if match][-1:] == [listening.name], told
    read = [fields_of(entry)["SEQ"] for entry in entries if READ.fullmatch(entry["MESSAGE"])]
    assert read, told
    assert set(range(max(before), read[-1] + 1)) - before - accounted_for(entries) == set()
    # The listener outlived it, rather than having been started again.
    assert not any(message.startswith("Started ") for message in told), told
    status = listening.ask(on_node_services.observer_status)["status"]
    (figures,) = [each for node in status["nodes"] for each in node["observers"] if each["name"] == "listener-sync"]
    assert figures["follows"] == listening.name
    assert figures["reconnects"] >= 1
    assert figures["resyncs"] >= 1
