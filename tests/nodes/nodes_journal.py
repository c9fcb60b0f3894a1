"""The observers' lines as a person reads them, and their journald fields."""

from __future__ import annotations

import re
from typing import Any

NS = 1_000_000_000
READ = re.compile(
    r"(?P<listener>listener-a?sync) read (?P<key>\S+): writer timestamp (?P<t1>\d{10}\.\d{9}) seq (?P<seq>\d+), "
    r"Time difference: (?P<difference>\d+\.\d{6}) seconds, value after (?P<value_difference>\d+\.\d{6}) seconds, "
    r"clock error (?P<clock_error>unknown|\d+\.\d{6} seconds)(?P<remark>, below the clock error)?"
)
WROTE = re.compile(r"writer wrote (?P<key>\S+): timestamp (?P<t1>\d{10}\.\d{9}) seq (?P<seq>\d+)")
ANSWERED = re.compile(
    r"writer saw (?P<listener>listener-a?sync) on (?P<host>\S+) answer seq (?P<seq>\d+): "
    r"round trip (?P<round_trip>\d+\.\d{6}) seconds, clock offset (?P<offset>-?\d+\.\d{6}) seconds, "
    r"clock error (?P<clock_error>unknown|\d+\.\d{6} seconds)"
)


def fields_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields OBSERVER_*, whole numbers as such."""
    fields = {name.removeprefix("OBSERVER_"): value for name, value in entry.items() if name.startswith("OBSERVER_")}
    return {name: int(value) if re.fullmatch(r"-?\d+", value) else value for name, value in fields.items()}


def nanoseconds(text: str) -> int:
    """``1725543675.123456789`` as whole ns, without a float's rounding."""
    seconds, fraction = text.split(".")
    return int(seconds) * NS + int(fraction.ljust(9, "0"))
