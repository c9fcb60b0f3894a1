"""All rules over a whole inventory."""

from __future__ import annotations

from collections.abc import Iterator

from . import (
    bench,
    credentials,
    engine,
    hardware,
    healing,
    monitoring,
    network,
    observers,
    packages,
    time_sync,
    topology,
)
from .model import Inventory, Rule
from .problem import Problem

RULES: tuple[Rule, ...] = (
    *topology.RULES,
    *network.RULES,
    *packages.RULES,
    *engine.RULES,
    *credentials.RULES,
    *observers.RULES,
    *healing.RULES,
    *monitoring.RULES,
    *hardware.RULES,
    *time_sync.RULES,
    *bench.RULES,
)


def cross_field_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield what every rule finds."""
    for rule in RULES:
        yield from rule(inventory)
