"""A capture of the running cluster shows only TLS, and fails when a plaintext port is opened on purpose."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import on_node_capture
import pytest
from nodes_cluster import Cluster, Node

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS, PORT = 8, 7379


def capture(cluster: Cluster, directory: Path, **variables: Any) -> tuple[int, str, dict[str, Any]]:
    """The playbook's exit code, what it said, and the result."""
    given = {"capture_seconds": SECONDS, "capture_results_dir": str(directory), **variables}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={cluster.inventory_dir}",
            f"--extra-vars={json.dumps(given)}",
            "playbooks/capture.yml",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    latest = directory / "latest.json"
    assert latest.is_file(), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(latest.read_text(encoding="utf-8"))
    return done.returncode, done.stdout, result


def test_only_tls_is_spoken_and_nothing_stays_on_the_nodes(cluster: Cluster, tmp_path: Path) -> None:
    before = {name: node.ask(on_node_capture.packages) for name, node in cluster.nodes.items()}
    code, said, result = capture(cluster, tmp_path)
    assert code == 0, said
    assert (result["verdict"], result["problems"], result["plaintext"]) == ("holds", [], [])
    assert set(result["nodes"]) == set(cluster.nodes)
    for name, node in result["nodes"].items():
        assert node["connections_tls"] >= 2 * (len(cluster.nodes) - 1), name
        assert node["interface"] == "eth1"
        assert node["dropped"] == 0
    pairs = {(pair["from"], pair["to"]): pair for pair in result["pairs"]}
    assert set(pairs) >= {(one, other) for one in cluster.nodes for other in cluster.nodes if one != other}
    assert all(pair["ack_rtt"]["median_ms"] > 0 for pair in pairs.values() if pair["ack_rtt"])
    # Each node makes a connection to each other one, and sees its handshake.
    assert sum(pair["initial_rtt"]["count"] for pair in pairs.values() if pair["initial_rtt"]) >= len(pairs)
    assert {tls["version"] for tls in result["tls"]} == {"TLS 1.3"}
    assert result["writes"] > SECONDS
    assert result["bytes_per_write"] > 300
    (run,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert {path.name for path in run.glob("*.pcap")} == {f"{name}.pcap" for name in cluster.nodes}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in run.glob("*.pcap"))
    assert [left for node in cluster.nodes.values() for left in node.ask(on_node_capture.left)] == []
    assert {name: node.ask(on_node_capture.packages) for name, node in cluster.nodes.items()} == before


@pytest.fixture
def opened(cluster: Cluster) -> Iterator[Node]:
    """A node that serves in the clear, and another one that speaks to it."""
    node = list(cluster.nodes.values())[-1]
    speaker = cluster.next_to(node)
    try:
        node.ask(on_node_capture.open_port, address=node.address, port=PORT)
        speaker.ask(on_node_capture.speak_to, address=node.address, port=PORT)
        yield node
    finally:
        node.ask(on_node_capture.close_all)
        speaker.ask(on_node_capture.close_all)


def test_a_plaintext_port_opened_on_purpose_is_named(cluster: Cluster, opened: Node, tmp_path: Path) -> None:
    """By who spoke to it, and by asking it, at the one node that was chosen."""
    code, said, result = capture(cluster, tmp_path, capture_nodes=[opened.name])
    assert code != 0
    assert result["verdict"] == "does not hold"
    assert set(result["nodes"]) == {opened.name}
    found = {each["what"]: each for each in result["plaintext"]}
    assert {(each["host"], each["port"]) for each in result["plaintext"]} == {(opened.name, PORT)}
    spoken = found.pop("RESP in the clear")
    assert {peer.split(":")[0] for peer in spoken["peers"]} == {cluster.next_to(opened).name}
    assert spoken["seen_by"] == [opened.name]
    assert spoken["bytes"] > 30
    assert spoken["sample"].startswith(r"*3\r\n$3\r\nSET")
    (open_port,) = found
    assert open_port.endswith("answers a PING in the clear")
    assert f"{opened.name}:{PORT}: RESP in the clear, {spoken['bytes']} bytes" in " ".join(said.split())
    assert opened.ask(on_node_capture.left) == []
