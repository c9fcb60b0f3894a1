"""The role's templates, filled in by ansible-playbook itself for an inventory of nodes that need not exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROLE = Path(__file__).resolve().parents[2] / "roles" / "time_sync"
NODES = ("pi1", "pi2", "pc1", "pc2")
ADDRESSES = {name: f"10.77.0.1{number}" for number, name in enumerate(NODES, 1)}
TEMPLATES = {"config": "keydb-cluster.conf", "drop_in": "chrony-drop-in.conf"}


@dataclass(frozen=True)
class Rendered:
    """What one node would get."""

    config: str
    drop_in: str

    @property
    def directives(self) -> list[str]:
        """Lines of the configuration without comments."""
        return [line for line in self.config.splitlines() if line and not line.startswith("#")]

    def of(self, *names: str) -> list[str]:
        """Lines of these directives."""
        return [line for line in self.directives if line.split()[0] in names]


def render(
    directory: Path,
    variables: dict[str, Any],
    virtualization: str = "kvm",
    *,
    hardware: bool = False,
    has_address: bool = True,
) -> dict[str, Rendered]:
    """Node to its files, with ``variables`` as in group_vars; ``hardware``: every interface can take timestamps.

    Where they can the role preflight has looked, and elsewhere this one. ``has_address``: whether the interface had
    that of the cluster network then.
    """
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
    hosts = {name: {"cluster_network_address": address} for name, address in ADDRESSES.items()}
    common = {**defaults, "cluster_network_cidr": "10.77.0.0/24", **variables}
    inventory = directory / "inventory.yml"
    inventory.write_text(
        yaml.safe_dump({"all": {"vars": common, "children": {"keydb_nodes": {"hosts": hosts}}}}, sort_keys=False),
        "utf-8",
    )
    lookups = ", ".join(
        f"'{name}': lookup('ansible.builtin.template', '{ROLE}/templates/{template}.j2')"
        for name, template in TEMPLATES.items()
    )
    address = "{{ cluster_network_address }}" if has_address else "192.0.2.1"
    play = {
        "name": "Fill in the templates",
        "hosts": "keydb_nodes",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "vars": {
            "__time_sync_host": {"skipped": True} if hardware else {"interface": "eth1", "hardware_timestamps": False}
        },
        "tasks": [
            {
                "name": "Have facts",
                "ansible.builtin.set_fact": {
                    "distribution": "Debian",
                    "virtualization_type": virtualization,
                    "interfaces": ["lo", "eth-1"],
                    "eth_1": {"device": "eth-1", "ipv4": {"address": address}},
                    "node_timestamping": ["eth-1"],
                    "cacheable": True,
                },
            },
            {"name": "files", "ansible.builtin.debug": {"msg": f"{{{{ {{ {lookups} }} }}}}"}},
        ],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), "utf-8")
    (directory / "ansible.cfg").write_text("[defaults]\nstdout_callback = ansible.posix.json\n", "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), "play.yml"],
        cwd=directory,
        env=kept | {"ANSIBLE_CONFIG": str(directory / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (files,) = [task for task in json.loads(done.stdout)["plays"][0]["tasks"] if task["task"]["name"] == "files"]
    return {name: Rendered(**result["msg"]) for name, result in files["hosts"].items()}
