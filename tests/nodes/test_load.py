"""A load on the cluster, and a listener to it on another node: both as the user that is there for it."""

from __future__ import annotations

import re

import on_node_engine
import on_node_services
from nodes_cluster import Cluster

RATE, KEYS, SECONDS = 200, 20, 3
STOPS = re.compile(
    r"listener-async stops: (?P<read>\d+) read, (?P<superseded>\d+) superseded, (?P<missed>\d+) missed, "
    r"(?P<repeated>\d+) repeated, (?P<reordered>\d+) reordered"
)


def test_every_write_is_acknowledged_and_accounted_for(cluster: Cluster) -> None:
    writing = cluster.nodes[cluster.primary]
    listening = cluster.next_to(writing)
    said = listening.ask(
        on_node_services.load_and_listen,
        timeout=SECONDS + 60,
        listen_to=f"{listening.name}={listening.address}:{cluster.port}",
        write_to=f"{writing.name}={writing.address}:{cluster.port}",
        rate=RATE,
        keys=KEYS,
        seconds=SECONDS,
    )
    result = said["result"]
    assert result is not None, said["said"]
    assert result["complete"], said["said"]
    counts = result["counts"]
    assert (counts["planned"], counts["acknowledged"]) == (RATE * SECONDS, RATE * SECONDS), counts
    assert (counts["failed"], counts["unknown"]) == ({}, 0), counts
    assert result["configuration"] == {"tls": True, "user": "load", "timeout": 3.0}
    assert result["versions"]["nodes"][writing.name]["engine"] == cluster.engine.title

    last = STOPS.fullmatch(said["listener"][-1])
    assert last, said["listener"]
    seen = {name: int(count) for name, count in last.groupdict().items()}
    assert seen["read"] + seen["superseded"] == RATE * SECONDS, seen
    assert (seen["missed"], seen["repeated"], seen["reordered"]) == (0, 0, 0), seen
    trouble = [line for line in said["listener"] if "reading from" in line or "answering at" in line]
    assert trouble == []

    for node in (writing, listening):
        refused = node.ask(
            on_node_engine.refusals, address=node.address, port=cluster.port, password=cluster.passwords["operator"]
        )
        of_load = [each for each in refused if each["username"] == "load"]
        assert not of_load, f"{of_load}"
