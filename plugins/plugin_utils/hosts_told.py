"""Hosts that take orders, as those see them who lead a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class LostError(Exception):
    """A host could not be asked; the text says why."""


class GivenUpError(Exception):
    """The run cannot go on; the text says why."""


class Remote(Protocol):
    """A host that takes one order at a time."""

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:
        """Send an order."""

    def finish(self) -> dict[str, Any]:
        """Its answer. Raises LostError."""
