"""Check the whole inventory on the controller. No host is contacted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Ansible loads an action plugin by its path, so the role's own modules are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROLE / "plugin_utils"))

from preflight_rules.inventory import cross_field_problems  # noqa: E402 - it follows the path
from preflight_rules.problem import as_result, merged_hosts  # noqa: E402 - it follows the path
from preflight_rules.resolve import host_values, inventory_of, load_roles, name_problems  # noqa: E402 - it follows the path


class ActionModule(ActionBase):  # type: ignore[misc]  # its base carries no types
    """Apply every rule to the variables of all hosts, whatever ``--limit`` says."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``problems``, a list of variable, host, given, allowed and problem, and the same as ``report``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        hostvars, groups = task_vars["hostvars"], task_vars["groups"]
        roles = load_roles(_ROLE.parent, self._role_file)
        raw = {host: {**hostvars.raw_get(host), "hostvars": hostvars, "groups": groups} for host in hostvars}

        def templating(variables: Mapping[str, Any]) -> Callable[[Any], Any]:
            template: Callable[[Any], Any] = self._templar.copy_with_new_env(available_variables=variables).template
            return template

        values = {
            host: host_values(host, variables, roles, templating, facts_known=False) for host, variables in raw.items()
        }
        problems = [problem for host in values for problem in values[host].problems]
        problems += name_problems(raw, groups, roles)
        problems += cross_field_problems(inventory_of(values, groups, roles))
        merged = merged_hosts(problems, groups.get("keydb_nodes", ()))
        result.update(as_result(merged, "in the inventory"))
        return result

    def _role_file(self, path: str) -> Any:
        """Read a YAML file whose templates may be evaluated. It is not copied (``unsafe``), so nobody may change it."""
        return self._loader.load_from_file(path, unsafe=True, trusted_as_template=True)
