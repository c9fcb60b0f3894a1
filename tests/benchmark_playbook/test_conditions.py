"""What marks a result, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from bench_conditions import (
    clock_marks,
    hardware_marks,
    host_marks,
    listener_marks,
    load_marks,
    port_marks,
    sent_marks,
)


def finding(about: str) -> dict[str, str]:
    return {"severity": "warn", "about": about, "what": f"{about} now (0x50005)", "why": "It is slower.", "remedy": ""}


@pytest.mark.parametrize(
    ("about", "marks"), [("power", 1), ("speed", 1), ("temperature", 1), ("data storage", 0), ("memory", 0)]
)
def test_only_what_slows_a_board_now_or_then_marks(about: str, marks: int) -> None:
    found = list(hardware_marks("pi1", [finding(about)]))
    assert [each["condition"] for each in found] == ["throttled"] * marks
    assert all(each["host"] == "pi1" and "0x50005" in each["text"] for each in found)


@pytest.mark.parametrize(
    ("found", "conditions"),
    [
        (list(clock_marks("a", {"trouble": "is not synchronised to pc1"})), ["clock"]),
        (list(clock_marks("a", {"trouble": ""})), []),
        (list(port_marks("a", {"problems": ["100 Mbit/s"]})), ["link"]),
        (list(port_marks("a", {"problems": []})), []),
        (list(sent_marks("a", "b", 94.0, 900)), ["link"]),
        (list(sent_marks("a", "b", 940.0, 900)), []),
        (list(load_marks("a", 0.5, 0.3)), ["load"]),
        (list(load_marks("a", 0.2, 0.3)), []),
        (list(host_marks("a", {"in_container": True}, 2)), ["shared"]),
        (list(host_marks("a", {"in_container": False}, 2)), []),
    ],
)
def test_bad_conditions_are_named(found: list[dict[str, str]], conditions: list[str]) -> None:
    assert [each["condition"] for each in found] == conditions


@pytest.mark.parametrize(
    ("knees", "named"),
    [
        ({"sync": 4000.0, "async": 60_000.0}, "listener-sync holds 4,000 events/s where listener-async holds 60,000"),
        ({"sync": 60_000.0, "async": 0.0}, "listener-async holds no rate at all where listener-sync holds 60,000"),
        ({"sync": 30_000.0, "async": 60_000.0}, ""),
        ({"sync": 0.0, "async": 0.0}, ""),
    ],
)
def test_a_listener_that_falls_behind_alone_is_named(knees: dict[str, Any], named: str) -> None:
    assert [each["text"] for each in listener_marks("node2", knees)] == ([named] if named else [])
