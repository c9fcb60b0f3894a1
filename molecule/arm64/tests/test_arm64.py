"""A cluster of emulated arm64 nodes, which by their recorded answers are Raspberry Pi 4B boards."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://keydb_nodes"]

REPOSITORY = Path(__file__).resolve().parents[3]
AARCH64 = "b7 00"  # e_machine of elf(5), little-endian


def result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPOSITORY / "results" / name / "latest.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def checked() -> dict[str, Any]:
    """What check_hosts.yml says of the nodes."""
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab" / "inventory"
    command = ["ansible-playbook", "-i", str(inventory), str(REPOSITORY / "playbooks" / "check_hosts.yml")]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    return result("hosts")


def test_kernel_and_engine_are_of_that_architecture(host: Host) -> None:
    assert host.check_output("uname -m") == "aarch64"
    started = host.check_output("systemctl show --property=ExecStart --value keydb-server")
    program = started.partition("path=")[2].partition(" ")[0]
    header = host.check_output(f"od --address-radix=n --format=x1 --skip-bytes=18 --read-bytes=2 {program}")
    assert header.strip() == AARCH64


def test_each_node_is_taken_for_the_recorded_board(checked: dict[str, Any]) -> None:
    boards = {host["name"]: host["facts"]["model"]["value"] for host in checked["hosts"]}
    assert set(boards) == {"node1", "node2"}
    assert all(board.startswith("Raspberry Pi 4 Model B") for board in boards.values()), boards


def test_what_site_yml_proved_at_its_end() -> None:
    """Links, a write on each node that reached and woke the other, what must be refused, and lines of the observers."""
    proved = result("verify")
    assert proved["problems"] == []
    assert proved["passed"]
    assert {node["name"] for node in proved["nodes"]} == {"node1", "node2"}


def test_a_listener_reads_what_the_writer_writes(host: Host) -> None:
    listed = host.check_output("systemctl list-units --plain --no-legend 'observer-listener-*'").splitlines()
    for unit in (line.split()[0] for line in listed):
        with host.sudo():
            lines = host.check_output(f"journalctl --unit {unit} --since -60s --output cat")
        assert " read shared_key: writer timestamp " in lines, unit
