"""Filters that print which faults there are, and which would come."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Ansible loads a filter by its path, so the role's own modules are found only after this (hence noqa: E402).
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "files" / "keydb-faults"))

from keydb_faults.cluster import Cluster
from keydb_faults.kinds import chosen
from keydb_faults.schedule import faults


def faults_kinds(names: Sequence[str]) -> str:
    """A line for each of these kinds, for all of them without any: its name, and what it is."""
    kinds = chosen(names)
    width = max(len(kind.name) for kind in kinds)
    return "\n".join(f"{kind.name:{width}}  {kind.about}" for kind in kinds)


def faults_schedule(hosts: Mapping[str, Mapping[str, Any]], seed: int, count: int, only: Sequence[str]) -> str:
    """A line for each of the first ``count`` faults: its number, its kind, and its hosts."""
    drawn = itertools.islice(faults(int(seed), chosen(only), Cluster.of(hosts)), int(count))
    return "\n".join(
        f"{fault.number:4}  {fault.kind}: {fault.nobody or ', '.join(fault.hosts)}"
        + "".join(f"; {part.kind} on {part.host}" for part in fault.parts if part.kind != fault.kind)
        for fault in drawn
    )


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"faults_kinds": faults_kinds, "faults_schedule": faults_schedule}
