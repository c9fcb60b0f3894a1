"""Filters of verify.yml: how far any two nodes' clocks may be apart, from what chronyd says on each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

_US = 1_000_000
_FIELDS = ("reference", "is_local", "stratum", "offset_s", "root_delay_s", "root_dispersion_s", "error_bound_s", "leap")


def _clock(facts: Mapping[str, Any]) -> dict[str, Any]:
    """One node's clock; ``error_bound_s`` is None where nobody knows how far it may be off."""
    proof = facts.get("time_sync_proof") or {}
    trouble = str(proof.get("trouble", "chronyd could not be asked"))
    tracking = proof.get("tracking") or {}
    known = {field: tracking.get(field) for field in _FIELDS}
    if not tracking.get("is_synchronised"):
        known["error_bound_s"] = None
    return {**known, "trouble": trouble, "required": bool(proof.get("required", False))}


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _pair(first: str, second: str, clocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How two clocks stand to each other, in s: each may be off by its own bound, and in opposite directions."""
    one, other = clocks[first], clocks[second]
    bound = _sum(one["error_bound_s"], other["error_bound_s"])
    return {
        "nodes": [first, second],
        "offset_s": None if bound is None else one["offset_s"] - other["offset_s"],
        "root_dispersion_s": None if bound is None else one["root_dispersion_s"] + other["root_dispersion_s"],
        "error_bound_s": bound,
    }


def with_clocks(
    report: Mapping[str, Any], nodes: list[str], hostvars: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The report with ``clocks``: each node's, and each pair's; times in s.

    A node whose clock follows nobody is a problem where the role time_sync is to see to it. Not in a container, whose
    clock is its machine's.
    """
    clocks = {name: _clock(hostvars[name]) for name in nodes}
    problems = [
        f"{name}: its clock: {clock['trouble']}"
        for name, clock in clocks.items()
        if clock["trouble"] and clock["required"]
    ]
    return {
        **report,
        "passed": report["passed"] and not problems,
        "clocks": {
            "nodes": clocks,
            "pairs": [_pair(first, second, clocks) for first, second in itertools.combinations(nodes, 2)],
        },
        "problems": [*report["problems"], *problems],
    }


def _us(seconds: float | None, spec: str) -> str:
    return "unknown" if seconds is None else format(seconds * _US, spec)


def clocks_table(report: Mapping[str, Any]) -> str:
    """Each pair of clocks in a line, in µs; then a line for each clock that follows nobody."""
    rows = [("CLOCKS", "OFFSET µs", "DISPERSION µs", "ERROR BOUND µs")]
    for pair in report["clocks"]["pairs"]:
        name = " - ".join(pair["nodes"])
        rows.append(
            (
                name,
                _us(pair["offset_s"], "+.1f"),
                _us(pair["root_dispersion_s"], ".1f"),
                _us(pair["error_bound_s"], ".1f"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    unknown = [
        f"The clock of {name}: {clock['trouble']}."
        for name, clock in report["clocks"]["nodes"].items()
        if clock["trouble"]
    ]
    return "\n".join([*lines, *unknown])


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"with_clocks": with_clocks, "clocks_table": clocks_table}
