"""What ``load`` was told, beside what every command is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class WriteTo(str, enum.Enum):
    """Where the writers are: one at the node that writes go to, or one at every node."""

    ONE = "one"
    ALL = "all"


@dataclass(frozen=True)
class LoadSettings:
    """``rate`` is writes/s over all writers, ``size`` bytes of a value, ``duration`` seconds.

    ``durable`` is how many replicas have to confirm each write; 0 asks for none. ``output`` is None where no JSON is
    wanted, and ``-`` for standard output. ``progress`` is None where the terminal decides.
    """

    rate: float = 1000.0
    keys: int = 100
    size: int = 0
    duration: float = 10.0
    writers: WriteTo = WriteTo.ONE
    durable: int = 0
    prefix: str = "load:"
    output: Path | None = None
    progress: bool | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> LoadSettings:
        """From parsed options by name, of which those that are no option of ``load`` are passed over."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
