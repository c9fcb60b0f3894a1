"""Filters of verify.yml: whether all nodes hold the same, from what `keydb-observer audit` says on one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MOST_NAMED = 5


def proved_nodes(nodes: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those of the nodes that could be reached: any of them can ask all the others."""
    return [name for name in nodes if "problems" in (hostvars[name].get("keydb_proof") or {})]


def with_audit(report: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The report with ``audit``: the command's own JSON, or None where it was not asked for.

    Each difference is a problem, the first of them by name; and so is an audit that came to no end.
    """
    if not asked or asked.get("skipped"):
        return {**report, "audit": None}
    try:
        audit = json.loads(asked.get("stdout") or "")
    except ValueError:
        why = asked.get("stderr") or asked.get("msg") or "it said nothing"
        return _with(report, None, [f"audit: not all nodes could be compared: {' '.join(str(why).split())}"])
    problems = [f"audit: {found['key']}: {found['kind']} differs: {_sides(found)}" for found in audit["differences"]]
    if audit["differing"] > _MOST_NAMED:
        problems[_MOST_NAMED:] = [f"audit: {audit['differing'] - _MOST_NAMED} more keys differ between nodes"]
    return _with(report, {**audit, "differences": audit["differences"][:_MOST_NAMED]}, problems)


def _with(report: Mapping[str, Any], audit: Mapping[str, Any] | None, problems: list[str]) -> dict[str, Any]:
    passed = report["passed"] and not problems
    return {**report, "passed": passed, "audit": audit, "problems": [*report["problems"], *problems]}


def _sides(found: Mapping[str, Any]) -> str:
    """Which nodes hold the same: ``string on node1, node3 | none on node2``."""
    sides: dict[tuple[Any, ...], list[str]] = {}
    for name, state in found["nodes"].items():
        sides.setdefault((state["type"], state["digest"], state["expires"]), []).append(name)
    return " | ".join(f"{kind} on {', '.join(names)}" for (kind, _, _), names in sides.items())


def audit_line(report: Mapping[str, Any]) -> str:
    """How many keys were compared, and what came of it; empty where none were."""
    audit = report.get("audit")
    if not audit:
        return ""
    extent = "" if audit["complete"] else ", which are not all: the time for it ran out"
    busy = f", {audit['busy']} changed all the time" if audit["busy"] else ""
    return f"{audit['examined']} keys compared on all nodes{extent}: {audit['differing']} differ{busy}."


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"proved_nodes": proved_nodes, "with_audit": with_audit, "audit_line": audit_line}
