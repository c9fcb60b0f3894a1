"""The roles' templates, filled in by ansible-playbook itself for an inventory of three nodes that need not exist.

Everything happens on the controller: templates are looked up, not sent anywhere, and facts are what the test says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ROLES = REPOSITORY / "roles"
NODES = ("node1", "node2", "node3")
FACTS = {
    "architecture": "x86_64",
    "distribution_release": "bookworm",
    "memtotal_mb": 4000,
    "processor_vcpus": 4,
    "python": {"version": {"major": 3, "minor": 11}},
    "virtualization_type": "kvm",
}
OTHER_ROLES = ("firewall", "observers", "healing")
SOURCE = {
    "files": [
        {"path": "/app/src/examples/a.py", "checksum": "0" * 64},
        {"path": "/app/bench/b.py", "checksum": "1" * 64},
        {"path": "/app/examples/c.py", "checksum": "2" * 64},
    ]
}
"""The app's files as the module find names them; only the first is a part of what is installed."""
METRICS_PORTS = yaml.safe_load((ROLES / "observers" / "defaults" / "main.yml").read_text("utf-8"))[
    "observers_metrics_ports"
]
CONFIG = ("keydb.conf", "replication-auth.conf", "users.acl")


@dataclass(frozen=True)
class Rendered:
    """What the templates become on one node: by name, the observers' units by the unit's."""

    files: dict[str, str]
    units: dict[str, str]

    def directives(self, name: str) -> list[str]:
        """Values of each line of keydb.conf that gives this directive."""
        lines = self.files["keydb.conf"].splitlines()
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    @property
    def names(self) -> list[str]:
        """Directives of keydb.conf in their order."""
        lines = self.files["keydb.conf"].splitlines()
        return [line.split()[0] for line in lines if line and not line.startswith("#")]


def _lookup(role: str, template: str) -> str:
    return f"lookup('ansible.builtin.template', '{ROLES / role / 'templates' / template}.j2')"


def _play(build: dict[str, Any]) -> list[dict[str, Any]]:
    files = {name: _lookup("keydb", name) for name in (*CONFIG, "keydb-server.service")}
    files["keydb-cluster.nft"] = _lookup("firewall", "keydb-cluster.nft")
    files["keydb-cluster-firewall.service"] = _lookup("firewall", "keydb-cluster-firewall.service")
    files["observer.toml"] = _lookup("observers", "observer.toml")
    for unit in ("keydb-healing.service", "keydb-healing.timer"):
        files[unit] = _lookup("healing", unit)
    files["join.json"] = "(_keydb_join_content | to_nice_json)"
    each = ", ".join(f"'{name}': {lookup}" for name, lookup in files.items())
    return [
        {
            "name": "Fill in the templates",
            "hosts": "keydb_nodes",
            "gather_facts": False,
            "vars": {"__keydb_look": build, "observers_source_dir": "/roles/../app", "__observers_source": SOURCE},
            "tasks": [
                {"name": "Have facts", "ansible.builtin.set_fact": {**FACTS, "cacheable": True}},
                {
                    "name": "Have the role's variables, and its own checks",
                    "ansible.builtin.include_role": {"name": "keydb", "tasks_from": "preflight.yml", "public": True},
                },
                *(
                    {
                        "name": f"Have the variables of {role}",
                        "ansible.builtin.include_vars": {"file": f"{ROLES / role / 'vars' / 'main.yml'}"},
                    }
                    for role in OTHER_ROLES
                ),
                {"name": "files", "ansible.builtin.debug": {"msg": f"{{{{ {{ {each} }} }}}}"}},
                {
                    "name": "units",
                    "ansible.builtin.debug": {"msg": f"{{{{ {_lookup('observers', 'observer.service')} }}}}"},
                    "loop": "{{ _observers_here }}",
                },
            ],
        }
    ]


def render(
    directory: Path,
    variables: dict[str, Any],
    hosts: dict[str, dict[str, Any]],
    extra: dict[str, Any] | None = None,
    limit: str = "",
    build: dict[str, Any] | None = None,
) -> dict[str, Rendered]:
    """Node to what it would get.

    Args:
        directory: For the inventory, its secrets and what else there is to keep.
        variables: Of all nodes, as in group_vars.
        hosts: Variables of each node; names and order are the inventory's.
        extra: Variables that override the roles' own, internal ones included.
        limit: As ansible-playbook takes it.
        build: What the module keydb_look would have said.
    """
    inventory = directory / "inventory.yml"
    groups = dict(zip(("observer_writer", "observer_listener_sync", "observer_listener_async"), hosts, strict=True))
    children: dict[str, Any] = {group: {"hosts": {host: {}}} for group, host in groups.items()}
    children["keydb_nodes"] = {"hosts": hosts}
    # Below everything that an inventory says, as a role's defaults are.
    defaults = {}
    for role in OTHER_ROLES:
        defaults |= yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text("utf-8"))
    described = {"all": {"children": children, "vars": defaults | variables}}
    inventory.write_text(yaml.safe_dump(described, sort_keys=False), "utf-8")
    play = directory / "play.yml"
    said = {"exists": True, "version": "6.3.4", "notifies": True, "executable_stack": False} | (build or {})
    play.write_text(yaml.safe_dump(_play(said), sort_keys=False), "utf-8")
    settings = directory / "ansible.cfg"
    settings.write_text(f"[defaults]\nroles_path = {ROLES}\nstdout_callback = ansible.posix.json\n", "utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(play)]
    command += ["--extra-vars", json.dumps(extra or {}), *(["--limit", limit] if limit else [])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = kept | {"ANSIBLE_CONFIG": str(settings), "ANSIBLE_LOCALHOST_WARNING": "False"}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    tasks = {task["task"]["name"]: task["hosts"] for task in json.loads(done.stdout)["plays"][0]["tasks"]}
    return {
        host: Rendered(
            files=result["msg"],
            units={unit["item"]["name"]: unit["msg"] for unit in tasks["units"][host].get("results", [])},
        )
        for host, result in tasks["files"].items()
    }
