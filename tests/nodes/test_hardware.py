"""The kernel's settings: kept for the next boot on every node, and in force where the kernel is the node's own."""

from __future__ import annotations

from typing import Any

import on_node_hardware
import pytest
from nodes_cluster import Node

testinfra_hosts = ["ansible://keydb_nodes"]

WANTED = {"vm.overcommit_memory": "1", "net.core.somaxconn": "4096", "vm.swappiness": "1"}


@pytest.fixture(scope="module")
def settings(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.ask(on_node_hardware.settings)
    return found


def test_they_are_made_at_boot(settings: dict[str, Any]) -> None:
    assert settings["sysctl"] == WANTED
    assert "w- /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n" in settings["tmpfiles"]
    assert "/cpufreq/scaling_governor - - - - performance\n" in settings["tmpfiles"]
    assert settings["enabled"] == "enabled"


def test_the_unit_is_one_that_systemd_takes(settings: dict[str, Any]) -> None:
    assert "keydb-cluster-hardware" not in settings["verified"]


def test_they_are_in_force_or_nothing_was_touched(settings: dict[str, Any]) -> None:
    """A container shares its host's kernel: there the role tells what differs, and has nothing to put back."""
    if settings["is_container"]:
        assert not settings["noted"]
    else:
        assert settings["in_force"] == WANTED
