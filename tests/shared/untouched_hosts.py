"""A playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
_WITHIN_S = 180


def play(
    playbook: str, directory: Path, *arguments: str, path: str | None = None
) -> tuple[subprocess.CompletedProcess[str], bool]:
    """A run over an inventory of three hosts that is called "mine", and whether one of them was contacted.

    Args:
        playbook: Its name below playbooks/.
        directory: For the inventory and the mark.
        arguments: Further ones of ansible-playbook.
        path: Where programs are looked for; None: as here.
    """
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
        **({"PATH": path} if path else {}),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(inventory), f"playbooks/{playbook}", *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    return done, mark.exists()
