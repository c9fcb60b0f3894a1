"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from keydb_faults.kinds import KINDS

PROJECT = Path(__file__).resolve().parents[2]


def play(directory: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], bool]:
    """A run over an inventory that is called "mine", and whether a host was contacted."""
    hosts = {
        f"pi{number}": {"ansible_host": f"192.0.2.{number}", "cluster_network_address": f"10.77.0.{number}"}
        for number in (1, 2, 3)
    }
    inventory = directory / "mine"
    inventory.mkdir()
    tree = {
        "all": {
            "vars": {"cluster_network_cidr": "10.77.0.0/24"},
            "children": {"keydb_nodes": {"hosts": hosts}, "observer_writer": {"hosts": {"pi1": {}}}},
        }
    }
    (inventory / "hosts.yml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    mark, ssh = directory / "contacted", directory / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch '{mark}'\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "ANSIBLE_SSH_RETRIES": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(inventory), "playbooks/faults.yml", *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done, mark.exists()


def test_all_kinds_can_be_listed_and_nobody_is_contacted(tmp_path: Path) -> None:
    done, contacted = play(tmp_path, "--tags", "list")
    assert done.returncode == 0, done.stdout
    assert all(kind.about in done.stdout for kind in KINDS.values())
    assert not contacted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "-e faults_confirm=mine"),
        (("-e", "faults_confirm=other"), 'faults_confirm is "other", and this inventory is "mine"'),
        (("-e", "faults_confirm=mine", "--limit", "pi1"), "pi2, pi3 would be left out"),
        (("-e", "faults_confirm=mine", "-e", '{"faults_only": ["earthquake"]}'), "is not one of the choices"),
        (("-e", "faults_confirm=mine", "-e", "faults_hold=100"), "0 to 60 s"),
    ],
)
def test_what_was_not_meant_is_refused_before_a_host_is_touched(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done, contacted = play(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not contacted


def test_what_was_meant_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    done, contacted = play(tmp_path, "-e", "faults_confirm=mine")
    assert done.returncode != 0
    assert contacted
