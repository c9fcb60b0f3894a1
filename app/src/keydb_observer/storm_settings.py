"""What ``storm`` was told, beside what every command is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StormSettings:
    """``rate`` is operations/s, ``duration`` seconds (None: until it is stopped), ``seed`` that of all its choices.

    ``keys`` is how many plain and how many durable ones are written to, ``hot_keys`` how many counters and how many
    keys of all hosts. ``durable`` is how many replicas have to confirm what is to be durable; with 0 there is none of
    that. ``samples`` is None where nobody wants to know how the node is.
    """

    history: Path
    samples: Path | None = None
    rate: float = 60.0
    keys: int = 100_000
    hot_keys: int = 20
    durable: int = 1
    seed: int = 0
    duration: float | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> StormSettings:
        """From parsed options by name, of which those that are no option of ``storm`` are passed over."""
        named = {name: values.get(name.replace("_", "-")) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in named.items() if value is not None})
