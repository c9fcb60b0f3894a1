"""Filters of verify.yml: what the nodes' proofs add up to, and the table that shows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any


def _node(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """One node's part of the report. A node that could not be asked has that as its only problem."""
    proof = facts.get("keydb_proof") or {}
    observers = facts.get("observers_proof") or {}
    network = facts.get("cluster_network_proof") or {}
    if proof.get("unreachable") or "problems" not in proof:
        why = " ".join(str(proof.get("msg", "it could not be reached")).split())
        return {"name": name, "version": "", "links_up": 0, "links_expected": 0, "problems": [f"not proved: {why}"]}
    node = {
        "name": name,
        "address": facts.get("cluster_network_address", ""),
        "engine": facts.get("keydb_engine", "keydb"),
        **{
            field: proof[field]
            for field in ("version", "links_up", "links_expected", "arrived", "told", "refused", "attempts")
        },
        "units": [
            {"unit": unit, "logged": line, "well": bool(line)} for unit, line in observers.get("units", {}).items()
        ],
        "link": network.get("link"),
        "link_said": network.get("said", ""),
        "problems": [*proof["problems"], *network.get("problems", [])],
    }
    node["problems"] += [
        f"{unit['unit']} has not logged within two intervals" for unit in node["units"] if not unit["well"]
    ]
    return node


def verify_report(nodes: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The report of the nodes named: ``nodes`` as dictionaries, ``problems`` as sentences that begin with the node.

    Times in ``arrived`` and ``told`` are milliseconds from a write on the node until the value, and the notification,
    were seen on the node that is their key: at most so many, for the nodes are asked in turn.
    """
    proved = [_node(name, hostvars[name]) for name in nodes]
    return {
        "time": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "passed": not any(node["problems"] for node in proved),
        "nodes": proved,
        "problems": [f"{node['name']}: {problem}" for node in proved for problem in node["problems"]],
    }


def verify_table(report: Mapping[str, Any]) -> str:
    """The report as a table, then its verdict and the problems, a line each."""
    rows = [("NODE", "VERSION", "LINKS UP", "WRITE REACHED", "NOTIFIED", "REFUSED", "UNITS LOGGING")]
    for node in report["nodes"]:
        units = [unit["unit"].removeprefix("observer-") for unit in node.get("units", []) if unit["well"]]
        rows.append(
            (
                node["name"],
                node["version"] or "-",
                f"{node['links_up']}/{node['links_expected']}",
                ", ".join(sorted(node.get("arrived", {}))) or "-",
                ", ".join(sorted(node.get("told", {}))) or "-",
                f"{len(node.get('refused', {}))} of {node.get('attempts', 0)}",
                ", ".join(units) or "-",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"{node['name']}  {node['link_said']}" for node in report["nodes"] if node.get("link_said")]
    verdict = "Everything holds." if report["passed"] else f"{len(report['problems'])} problem(s):"
    return "\n".join([*lines, verdict, *report["problems"]])


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"verify_report": verify_report, "verify_table": verify_table}
