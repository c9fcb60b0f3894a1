"""What ``audit`` was told, beside what every command is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AuditSettings:
    """``match`` is a glob-style pattern of keys, ``batch`` how many are read at a time, ``settle`` seconds.

    Scans go on for ``within`` seconds at most, if that is given. A difference is looked at ``looks`` times more,
    ``settle`` seconds apart. ``output`` is None where no JSON is
    wanted, and ``-`` for standard output. ``progress`` is None where the terminal decides. ``repair`` comes with an
    ``undo_file`` unless it is a ``dry_run``; ``undo`` is such a file, and ``undo_as`` the name of a node.
    """

    match: str = "*"
    batch: int = 500
    settle: float = 2.0
    looks: int = 3
    within: float | None = None
    output: Path | None = None
    progress: bool | None = None
    repair: bool = False
    dry_run: bool = False
    undo_file: Path | None = None
    undo: Path | None = None
    undo_as: str | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> AuditSettings:
        """From parsed options by name, of which those that are no option of ``audit`` are passed over."""
        given = {name.replace("-", "_"): value for name, value in values.items()}
        return cls(**{name: given[name] for name in cls.__dataclass_fields__ if name in given})
