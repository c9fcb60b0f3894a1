"""What stands out is named, whoever found it: each from what the project's own parts say of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from keydb_report.page import Report
from report_results import bench, capture, faults, listener, made, network, verify

PROJECT = Path(__file__).resolve().parents[2]
_SLOW = "is slow: in time up to 612 events/s, 0.0712 times"
LISTENER_MARK = {"host": "node2", "condition": "listener", "text": "listener-sync holds 612 events/s"}


def said(report: Report) -> list[str]:
    return [sentence.text for sentence in report.notable]


def test_where_all_is_well_nothing_stands_out(tmp_path: Path) -> None:
    assert said(made(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"faults": faults(inventory="mine")},
            "the benchmark and the faults are of different inventories",
        ),
        (
            {"network": network() | {"time": "2026-11-20T01:10:00+00:00"}},
            "the results are of different days: those of network are older than those of capture",
        ),
        ({"verify": verify(problems=["node2: one link is down"])}, "verify: node2: one link is down"),
        ({"faults": faults(problems=["Counters: 3."])}, "faults: Counters: 3."),
        ({"capture": capture(plaintext=["node1"])}, "capture: plaintext was seen 1 times"),
        ({"capture": capture(verdict="does not hold")}, "capture: what was promised of the traffic does not hold"),
        (
            {"bench": bench(not_measured=[{"what": "valkey", "why": "no package"}])},
            "benchmark: valkey was not measured: no package",
        ),
        (
            {"bench": bench(listeners={"sync": listener(612.0), "async": listener(8600.0)})},
            f"listeners: the synchronous listener {_SLOW} what the asynchronous one takes",
        ),
        (
            {"bench": bench(listeners={"sync": listener(8600.0), "async": listener(612.0)})},
            f"listeners: the asynchronous listener {_SLOW} what the synchronous one takes",
        ),
    ],
)
def test_what_stands_out_is_said(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    assert said(made(tmp_path, **changes)) == [sentence]


@pytest.mark.parametrize(
    ("sync", "marks", "sentences"),
    [
        # A difference of kind is no slowness, and of what the load could not reach nothing is known.
        (listener(7000.0), [], []),
        (listener(612.0, "generator"), [], []),
        # The benchmark has found it itself: not twice.
        (listener(612.0), [LISTENER_MARK], ["benchmark: node2: listener: listener-sync holds 612 events/s"]),
    ],
)
def test_a_listener_is_not_called_slow_lightly(tmp_path: Path, sync: Any, marks: Any, sentences: list[str]) -> None:
    conditions = {"verdict": "marked" if marks else "good", "marks": marks}
    listeners = {"sync": sync, "async": listener(8600.0)}
    assert said(made(tmp_path, bench=bench(listeners=listeners, conditions=conditions))) == sentences


def test_a_link_of_100_mbits_is_named_with_its_cause_and_marked_in_the_picture(tmp_path: Path) -> None:
    report = made(tmp_path, network=network(slow=("node1", "node2")))
    (sentence,) = said(report)
    assert sentence.startswith("network: node1 to node2: 94 Mbit/s, not 900; likely cause: eth1 of node1 is negotiated")
    (matrix,) = [each.drawn for each in report.pictures if each.key == "network"]
    assert matrix
    slow = [row for row in matrix.rows if row[5] == "too slow"]
    assert [(row[0].text, row[1].text, row[2].text) for row in slow] == [("node1", "node2", "94.2")]  # type: ignore[union-attr]


def test_a_throttled_board_is_named_as_check_hosts_recorded_it(tmp_path: Path) -> None:
    """The playbook over a recorded board, and the report of what it has left."""
    board = PROJECT / "tests" / "hardware" / "boards" / "pi4b-throttled"
    host = {"cluster_network_address": "10.77.0.11", "hardware_recording": str(board), "ansible_connection": "local"}
    host |= {"ansible_become": False, "ansible_python_interpreter": sys.executable}
    tree = {
        "all": {"vars": {"cluster_network_cidr": "10.77.0.0/24"}, "children": {"keydb_nodes": {"hosts": {"pi1": host}}}}
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    subprocess.run(
        [program, "-i", tmp_path / "hosts.yml", "-e", f"results_dir={tmp_path}/found", "playbooks/check_hosts.yml"],
        cwd=PROJECT,
        env={key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )
    found = json.loads((tmp_path / "found" / "latest.json").read_text(encoding="utf-8"))
    sentences = said(made(tmp_path, hosts=found))
    assert any(each.startswith("host pi1: ") and "throttled since boot" in each for each in sentences), sentences
