"""What ``heal`` was told, beside what it has in common with ``audit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class HealSettings:
    """``state`` is a directory; ``share`` is of the time, and at most so much of it goes into comparing."""

    state: Path
    keep_days: int = 30
    share: float = 0.1

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> HealSettings:
        """From parsed options by name, of which those that are no option of ``heal`` are passed over."""
        given = {name.replace("-", "_"): value for name, value in values.items()}
        return cls(**{name: given[name] for name in cls.__dataclass_fields__ if name in given})
