"""The files that the role monitoring would write, filled in by ansible-playbook for nodes that need not exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROLE = Path(__file__).resolve().parents[2] / "roles" / "monitoring"
PASSWORD = "not-a-password-of-anybody"
OBSERVERS = ("observer_writer", "observer_listener_sync", "observer_listener_async")


@dataclass(frozen=True)
class Rendered:
    """What one node gets: the entries of the module node_files by their path, and those of node_units in order."""

    files: dict[str, dict[str, Any]]
    units: list[dict[str, Any]]

    def text(self, name: str) -> str:
        """Content of the one file of this name."""
        (entry,) = [entry for path, entry in self.files.items() if Path(path).name == name]
        return str(entry["content"] if "content" in entry else entry["secret_content"])

    def names(self) -> list[str]:
        """File names that are written, without links and directories."""
        return [Path(path).name for path, entry in self.files.items() if {"content", "secret_content"} & set(entry)]


def render(
    directory: Path, hosts: dict[str, str], variables: dict[str, Any] | None = None, server: str = "node3"
) -> dict[str, Rendered]:
    """Node to its files.

    Args:
        directory: For the inventory and what else there is to keep.
        hosts: Node to its address on the cluster network; three of them have an observer each.
        variables: Of all nodes, as in group_vars.
        server: The monitoring host; "" for none.
    """
    # Where a role's files and templates are looked for, from a playbook.
    for name in ("files", "templates"):
        (directory / name).symlink_to(ROLE / name)
    children: dict[str, Any] = {"keydb_nodes": {"hosts": {n: {"cluster_network_address": a} for n, a in hosts.items()}}}
    children |= {group: {"hosts": {host: {}}} for group, host in zip(OBSERVERS, hosts, strict=False)}
    children |= {"monitoring": {"hosts": {server: {}}}} if server else {}
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
    common = {"cluster_network_cidr": "10.77.0.0/24", "keydb_passwords": {"exporter": PASSWORD}}
    inventory = {"all": {"children": children, "vars": {**defaults, **common, **(variables or {})}}}
    play = {
        "name": "Fill in the templates",
        "hosts": "keydb_nodes",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "vars": {"role_path": str(ROLE), "ansible_facts": {}},
        "tasks": [
            {
                "name": "files",
                "ansible.builtin.debug": {
                    "msg": {"files": "{{ _monitoring_files }}", "units": "{{ _monitoring_services }}"}
                },
            }
        ],
    }
    (directory / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False), "utf-8")
    (directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), "utf-8")
    (directory / "ansible.cfg").write_text("[defaults]\nstdout_callback = ansible.posix.json\n", "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.yml", "play.yml"],
        cwd=directory,
        env=kept | {"ANSIBLE_CONFIG": str(directory / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (task,) = json.loads(done.stdout)["plays"][0]["tasks"]
    return {
        host: Rendered({entry["path"]: entry for entry in result["msg"]["files"]}, result["msg"]["units"])
        for host, result in task["hosts"].items()
    }
