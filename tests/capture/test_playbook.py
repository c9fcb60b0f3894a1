"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]


def play(directory: Path, *arguments: str, path: str | None = None) -> tuple[subprocess.CompletedProcess[str], bool]:
    """A run over an inventory of three hosts, and whether one of them was contacted."""
    hosts = {
        f"pi{number}": {"ansible_host": f"192.0.2.{number}", "cluster_network_address": f"10.77.0.{number}"}
        for number in (1, 2, 3)
    }
    tree = {
        "all": {
            "vars": {"cluster_network_cidr": "10.77.0.0/24"},
            "children": {"keydb_nodes": {"hosts": hosts}, "observer_writer": {"hosts": {"pi1": {}}}},
        }
    }
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump(tree), encoding="utf-8")
    mark, ssh = directory / "contacted", directory / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch '{mark}'\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "ANSIBLE_SSH_RETRIES": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        **({"PATH": path} if path else {}),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(inventory), "playbooks/capture.yml", *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done, mark.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"capture_nodes": ["pi1", "pi9"]}', "capture_nodes names pi9; allowed: nodes of keydb_nodes"),
        ('{"capture_seconds": 4}', "capture_seconds is 4; allowed: 5 to 600"),
        ('{"capture_megabytes": 0}', "capture_megabytes is 0; allowed: 1 to 1000"),
        ('{"capture_packets": 0}', "capture_packets is 0; allowed: 1 or more"),
        ('{"capture_rate": 0}', "capture_rate is 0; allowed: more than 0, up to 1000"),
    ],
)
def test_what_cannot_be_is_refused_before_a_host_is_touched(tmp_path: Path, given: str, said: str) -> None:
    done, contacted = play(tmp_path, "-e", given)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not contacted


def test_a_controller_without_tshark_is_told_so(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "tshark":
            (programs / program.name).symlink_to(program)
    done, contacted = play(tmp_path, path=str(programs))
    assert done.returncode != 0
    assert "The controller has no tshark" in done.stdout
    assert not contacted


def test_what_can_be_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    done, contacted = play(tmp_path)
    assert done.returncode != 0
    assert contacted
