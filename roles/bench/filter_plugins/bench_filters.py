"""Filters that show a run's plan, judge conditions, and make a result of what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Ansible loads a filter by its path, so modules of ours are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_ROLE / "plugin_utils"), str(_ROLE.parents[1] / "app")]

from bench_conditions import clock_marks, hardware_marks, port_marks  # noqa: E402 - it follows the path
from bench_plan import Settings, described  # noqa: E402 - it follows the path
from bench_result import result  # noqa: E402 - it follows the path
from bench_summary import summary  # noqa: E402 - it follows the path


def bench_plan(settings: Mapping[str, Any], mesh: bool) -> str:
    """The plan in lines, with about how long it takes."""
    return described(Settings.of(settings), mesh)


def bench_marks(hosts: Sequence[str], hostvars: Mapping[str, Any], kinds: Sequence[str]) -> list[dict[str, str]]:
    """What was looked at by the roles' own modules and is not as it should be, by kind of look."""
    found: list[dict[str, str]] = []
    for host in hosts:
        told = hostvars[host]
        if "hardware" in kinds:
            found += hardware_marks(host, told.get("__hardware", {}).get("findings", []))
        if "clock" in kinds:
            found += clock_marks(host, told.get("time_sync_proof", {}))
        if "link" in kinds:
            found += port_marks(host, told.get("cluster_network_proof", {}))
    return found


def bench_result(run: Mapping[str, Any], directory: str, marks_after: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The result of what was measured into this directory."""
    told = json.loads((Path(directory) / "measured.json").read_text("utf-8"))
    return result(run, told, marks_after)


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {
            "bench_plan": bench_plan,
            "bench_marks": bench_marks,
            "bench_result": bench_result,
            "bench_summary": summary,
        }
