"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
PLAYBOOK = "playbooks/bench.yml"


def play(directory: Path, *arguments: str, nodes: int = 3) -> tuple[str, bool]:
    """What a run over so many hosts says, which has to fail, and whether a host was contacted."""
    hosts = {
        f"pi{number}": {"ansible_host": f"192.0.2.{number}", "cluster_network_address": f"10.77.0.{number}"}
        for number in range(1, nodes + 1)
    }
    tree = {
        "all": {
            "vars": {"cluster_network_cidr": "10.77.0.0/24"},
            "children": {"keydb_nodes": {"hosts": hosts}, "observer_writer": {"hosts": {"pi1": {}}}},
        }
    }
    inventory, mark, ssh = directory / "mine", directory / "contacted", directory / "ssh"
    inventory.mkdir()
    (inventory / "hosts.yml").write_text(yaml.safe_dump(tree), encoding="utf-8")
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
        [program, "-i", str(inventory), PLAYBOOK, *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode != 0
    return " ".join((done.stdout + done.stderr).split()), mark.exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ('{"bench_scale": "huge"}', "is not one of the choices"),
        ('{"bench_engines": ["keydb", "mongo"]}', "is not one of the choices"),
        ('{"bench_nodes": [1, 4]}', "1 to 3 nodes"),
        ('{"bench_client": "pi1"}', "another host than bench_server"),
        ('{"bench_sizes": [1000000]}', "1 to 65536 bytes"),
        ('{"bench_round": 3}', "did you mean bench_rounds?"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_host_is_touched(tmp_path: Path, variables: str, said: str) -> None:
    told, contacted = play(tmp_path, "-e", variables)
    assert said in told
    assert not contacted


def test_what_can_be_measured_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    assert play(tmp_path)[1]
