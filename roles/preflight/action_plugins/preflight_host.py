"""Gather a host's facts, unless they are known, and check it against its variables."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

# Ansible loads an action plugin by its path, so the role's own modules are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROLE / "plugin_utils"))

from preflight_rules.host import (  # noqa: E402 - it follows the path
    NEEDED_FACTS,
    Host,
    addresses_by_interface,
    clock_skew,
    host_problems,
    missing_facts,
)
from preflight_rules.problem import Problem, as_result  # noqa: E402 - it follows the path
from preflight_rules.resolve import host_values, load_roles  # noqa: E402 - it follows the path

_DATA_DIRECTORY = "keydb_data_dir"


class ActionModule(ActionBase):  # type: ignore[misc]  # its base carries no types
    """Check what could not be decided from the inventory alone. Reads only."""

    _supports_check_mode = True
    _VALID_ARGS = frozenset({"refuse"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``problems``, a list of variable, host, given, allowed and problem, and the same as ``report``.

        With the argument ``refuse`` a problem is a failure.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        name = task_vars["inventory_hostname"]
        is_node = name in task_vars["groups"].get("keydb_nodes", ())
        roles = load_roles(_ROLE.parent, self._role_file)
        packages = _packages(roles.internals)
        gathered: dict[str, Any] = {}
        facts = dict(task_vars.get("ansible_facts") or {})
        path = task_vars.get(_DATA_DIRECTORY, roles.defaults[_DATA_DIRECTORY])
        gather = bool(missing_facts(facts))
        probe = self._probe(task_vars, path=path, packages=packages, gather_facts=gather)
        if probe.get("failed") or probe.get("unreachable"):
            return result | dict(probe)
        if gather:
            gathered = probe["ansible_facts"]
            facts |= {fact.removeprefix("ansible_"): value for fact, value in gathered.items()}
            task_vars = {**task_vars, **gathered, "ansible_facts": facts}
        missing = missing_facts(facts)
        if missing:
            given = "without " + ", ".join(missing)
            problem = Problem("ansible_facts", name, given, ", ".join(NEEDED_FACTS), "cannot be told of this host")
            return result | self._judged([problem], name)

        def templating(variables: Mapping[str, Any]) -> Callable[[Any], Any]:
            template: Callable[[Any], Any] = self._templar.copy_with_new_env(available_variables=variables).template
            return template

        resolved = host_values(name, task_vars, roles, templating, facts_known=True)
        wanted = resolved.values.get(_DATA_DIRECTORY, path)
        if wanted != path:
            # It is a template, which facts may have decided.
            probe = self._probe(task_vars, path=wanted, packages=packages, gather_facts=False)
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
            clock_skew=probe["clock_skew"],
            interfaces=tuple(map(str, facts["interfaces"])),
            addresses=addresses_by_interface(facts),
            management_address=probe["ssh_address"] or _resolved(resolved.values),
        )
        result.update(self._judged([*resolved.problems, *host_problems(host)], name))
        # What roles need not install, or take away, or look at: looked at once for all of them.
        looked = {f"node_{name}": probe[name] for name in ("packages", "unit_files", "timestamping")}
        result["ansible_facts"] = {**gathered, **looked}
        return result

    def _judged(self, problems: list[Problem], name: str) -> dict[str, Any]:
        judged = dict(as_result(problems, f"on {name}"))
        if problems and boolean(self._task.args.get("refuse", False)):
            return {"changed": False, "failed": True, "msg": judged["report"]}
        return judged

    def _probe(self, task_vars: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """Return what the module says of the host, and with it ``clock_skew`` in s."""
        before = time.time_ns()
        probe: dict[str, Any] = self._execute_module(
            module_name="preflight_probe", module_args=arguments, task_vars=task_vars
        )
        if "time_ns" in probe:
            probe["clock_skew"] = clock_skew(before, probe["time_ns"], time.time_ns())
        return probe

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
