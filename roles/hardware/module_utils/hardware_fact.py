# SPDX-License-Identifier: MIT
"""What was found on a host, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Generic, TypeVar

UNKNOWN = "unknown"
T = TypeVar("T")


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A value and its source. None is "cannot tell", which is never an alarm; the source then says where it is not."""

    value: T | None
    source: str


def as_plain(value: Any) -> Any:
    """Facts and what is inside them as plain data, with "unknown" for what cannot be told."""
    if value is None:
        return UNKNOWN
    if isinstance(value, Fact):
        return {"value": as_plain(value.value), "source": value.source}
    if is_dataclass(value) and not isinstance(value, type):
        return as_plain(asdict(value))
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    return value
