"""What ``top`` was told, beside what every command is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_INTERVAL_S = 0.1


@dataclass(frozen=True)
class TopSettings:
    """``interval`` is seconds from one look at a node to the next. ``once`` is None where the terminal decides."""

    interval: float = 1.0
    once: bool | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> TopSettings:
        """From parsed options by name, of which those that are no option of ``top`` are passed over."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
