"""The scenario's hosts, by SSH and by playbook."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCENARIO = Path(__file__).resolve().parents[1]
REPOSITORY = SCENARIO.parents[1]


class Lab:
    """Runs playbooks of the scenario, and commands on its hosts."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def started(self, playbook: str, *arguments: str) -> subprocess.Popen[str]:
        """A playbook that runs, in a process group of its own."""
        return subprocess.Popen(
            ["ansible-playbook", "-i", str(self.state / "inventory"), str(SCENARIO / playbook), *arguments],
            cwd=REPOSITORY,
            # Molecule asks for colours, in which the recap cannot be read.
            env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a playbook."""
        process = self.started(playbook, *arguments)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    def on(self, node: str, command: str) -> str:
        """What a root shell's command prints on a node."""
        options = ["-F", str(self.state / "ssh_config"), "-o", "ConnectTimeout=5"]
        remote = ["ssh", *options, node, f"sudo sh -c '{command}'"]
        return subprocess.run(remote, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout.strip()
