"""The kernel's settings, and recordings of hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Inventory
from .problem import Problem, shown

_SETTING = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+")


def sysctl_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each kernel setting is named as sysctl does, and has one line for a value."""
    for host, settings in inventory.values("hardware_sysctl"):
        for setting, value in settings.items():
            name = f"hardware_sysctl.{setting}"
            if not _SETTING.fullmatch(str(setting)):
                allowed = "a name as sysctl prints it, such as vm.swappiness"
                yield Problem(name, host, shown(setting), allowed, "is not a kernel setting's name")
            elif (
                isinstance(value, bool)
                or not isinstance(value, (int, str))
                or not str(value).strip()
                or "\n" in str(value)
            ):
                yield Problem(name, host, shown(value), "a whole number, or one line of text", "is no value")


def recording_problems(inventory: Inventory) -> Iterator[Problem]:
    """A recording is named by its whole path, for the host has no directory that a path could begin in."""
    for host, path in inventory.values("hardware_recording"):
        if path and not str(path).startswith("/"):
            allowed = "an absolute path on the host, or empty"
            yield Problem("hardware_recording", host, shown(path), allowed, "is not an absolute path")


RULES = (sysctl_problems, recording_problems)
