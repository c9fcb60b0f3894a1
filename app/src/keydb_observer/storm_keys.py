"""The names of a storm's keys, which say who writes them and what is to be expected of them."""

from __future__ import annotations

import enum

PREFIX = "storm:"
_BOTH = f"{PREFIX}both:"
_PARTS = 4


class KeyKind(str, enum.Enum):
    """``PLAIN`` and ``DURABLE`` keys are set, ``COUNTER`` ones counted up, all of them by one host only.

    ``GONE`` keys are set once and deleted once, ``BRIEF`` ones set once to expire, and ``BOTH`` ones set by many hosts.
    """

    PLAIN = "plain"
    DURABLE = "durable"
    COUNTER = "counter"
    GONE = "gone"
    BRIEF = "brief"
    BOTH = "both"


def storm_key(host: str, kind: KeyKind, number: int) -> str:
    """``storm:<host>:<kind>:<number>``, or ``storm:both:<number>``."""
    return f"{_BOTH}{number}" if kind is KeyKind.BOTH else f"{PREFIX}{host}:{kind.value}:{number}"


def kind_of(key: str) -> KeyKind | None:
    """None where it is no key of a storm."""
    parts = key.split(":")
    if key.startswith(_BOTH) and len(parts) == _PARTS - 1:
        return KeyKind.BOTH
    if not key.startswith(PREFIX) or len(parts) != _PARTS:
        return None
    try:
        return KeyKind(parts[2])
    except ValueError:
        return None


def host_of(value: str) -> str:
    """Who set this value, ``<host>/<op>``."""
    return value.partition("/")[0]
