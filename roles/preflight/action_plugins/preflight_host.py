"""Check one host against its variables, now that its facts are known."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Ansible loads an action plugin by its path, so the role's own modules are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROLE / "plugin_utils"))

from preflight_rules.host import (  # noqa: E402
    Host,
    addresses_by_interface,
    clock_skew,
    host_problems,
    missing_facts,
)
from preflight_rules.problem import Problem, as_result  # noqa: E402
from preflight_rules.resolve import host_values, load_roles  # noqa: E402


class ActionModule(ActionBase):  # type: ignore[misc]  # its base carries no types
    """Check what could not be decided from the inventory alone. Reads only."""

    _supports_check_mode = True
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``problems``, a list of variable, host, given, allowed and problem, and the same as ``report``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        name = task_vars["inventory_hostname"]
        is_node = name in task_vars["groups"].get("keydb_nodes", ())
        facts = task_vars.get("ansible_facts") or {}
        missing = missing_facts(facts)
        if missing:
            given = "without " + ", ".join(missing)
            allowed = "facts of the subsets min, distribution, hardware, network and service_mgr"
            problem = Problem("ansible_facts", name, given, allowed, "were not gathered before preflight")
            return result | dict(as_result([problem], f"on {name}"))

        roles = load_roles(_ROLE.parent, self._role_file)

        def templating(variables: Mapping[str, Any]) -> Callable[[Any], Any]:
            template: Callable[[Any], Any] = self._templar.copy_with_new_env(available_variables=variables).template
            return template

        resolved = host_values(name, task_vars, roles, templating, facts_known=True)
        arguments = {
            "path": resolved.values.get("keydb_data_dir", "/var/lib"),
            "packages": _packages(roles.internals),
        }
        before = time.time_ns()
        probe = self._execute_module(module_name="preflight_probe", module_args=arguments, task_vars=task_vars)
        after = time.time_ns()
        if probe.get("failed") or probe.get("unreachable"):
            return result | dict(probe)

        host = Host(
            name=name,
            values=resolved.values,
            is_node=is_node,
            distribution=str(facts["distribution"]),
            version=_version(facts),
            release=str(facts["distribution_release"]),
            service_manager=str(facts["service_mgr"]),
            architecture=probe["architecture"] or str(facts["architecture"]),
            memory_mb=int(facts["memtotal_mb"]),
            free_mb=probe["free_mb"],
            free_path=probe["free_path"],
            python=tuple(probe["python"]),
            clock_skew=clock_skew(before, probe["time_ns"], after),
            interfaces=tuple(map(str, facts["interfaces"])),
            addresses=addresses_by_interface(facts),
            management_address=probe["ssh_address"] or _resolved(resolved.values),
        )
        result.update(as_result([*resolved.problems, *host_problems(host)], f"on {name}"))
        # What roles need not install: looked at once for all of them.
        result["ansible_facts"] = {"node_packages": probe["packages"]}
        return result

    def _role_file(self, path: str) -> Any:
        """Read a YAML file whose templates may be evaluated. It is not copied (``unsafe``), so nobody may change it."""
        return self._loader.load_from_file(path, unsafe=True, trusted_as_template=True)


def _packages(internals: Mapping[str, Any]) -> list[str]:
    """Return the packages that roles list by name, each in a variable of its own, such as ``_firewall_packages``."""
    lists = [value for name, value in internals.items() if name.endswith("_packages") and isinstance(value, list)]
    return sorted({str(package) for packages in lists for package in packages})


def _version(facts: Mapping[str, Any]) -> str:
    """Ubuntu's releases are 22.04 and 24.04; Debian's minor releases do not matter."""
    key = "distribution_version" if facts["distribution"] == "Ubuntu" else "distribution_major_version"
    return str(facts[key])


def _resolved(values: Mapping[str, Any]) -> str:
    """Return the management address where the connection does not tell (an always-on become); "" if unknown."""
    if values.get("ansible_connection", "ssh") == "local" or not values.get("ansible_host"):
        return ""
    try:
        return socket.gethostbyname(str(values["ansible_host"]))
    except OSError:
        return ""
