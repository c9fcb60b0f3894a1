#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: bring kernel settings into force and into files, remember what was there before, and put it back."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hardware_setting import choices_file, is_in_force
from ansible.module_utils.node_paths import Paths, files_module

DOCUMENTATION = r"""
module: hardware_settings
short_description: Bring kernel settings into force now
description:
  - Writes values into files of /proc/sys and /sys that differ from what is wanted. A file that is not there is a kernel
    without that feature, and a value that the kernel does not offer is left alone.
  - Before it writes a file for the first time it notes its value in O(before), so that O(state=absent) puts it back.
  - Where the files are read-only, as in a container, it says what differs and fails nothing.
options:
  files:
    type: list
    elements: dict
    default: []
    description: What makes the settings at boot, with the suboptions of the module node_files. They come first.
  settings: {type: dict, required: true, description: Path, or glob pattern of paths, to the value wanted there.}
  before: {type: path, required: true, description: File that keeps the values from before.}
  shared: {type: bool, default: false, description: Whether the kernel is another host's, so that nothing can be set.}
  state: {type: str, default: present, choices: [present, absent], description: V(absent) puts the old values back.}
author: The project
"""

RETURN = r"""
differs: {type: list, returned: always, description: What is not as wanted and cannot be set here, a sentence each.}
shared: {type: bool, returned: always, description: As it was given.}
"""


@dataclass(frozen=True)
class Change:
    """One file with what it says and what it is to say."""

    path: str
    present: str
    wanted: str


def changes(settings: dict[str, str]) -> Iterator[Change]:
    """Each file that is there and says something else than is wanted."""
    for pattern, wanted in settings.items():
        for path in sorted(glob.glob(pattern)):  # noqa: PTH207  # pathlib's cannot take an absolute pattern
            try:
                present = Path(path).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if not is_in_force(path, present, wanted):
                yield Change(path, present, wanted)


def can_offer(change: Change) -> bool:
    """Whether the kernel knows the value, where it says what it knows."""
    listed = choices_file(change.path)
    text = Path(listed).read_text(encoding="ascii") if listed and Path(listed).is_file() else change.present
    return change.wanted in re.split(r"[\s\[\]]+", text) if listed or "[" in text else True


class Settings:
    """The settings of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._before = Path(module.params["before"])
        self._noted: dict[str, str] = json.loads(self._before.read_text("utf-8")) if self._before.is_file() else {}
        self.made: list[Change] = []
        self.differs: list[str] = []

    def make(self) -> None:
        """Write what differs."""
        for change in changes(self._module.params["settings"]):
            if self._module.params["shared"]:
                self._cannot(change)
            elif not can_offer(change):
                self._cannot(change, ", which this kernel does not offer")
            else:
                self._write(change)

    def unmake(self) -> None:
        """Put back what was there before the first change."""
        for change in changes(self._noted):
            self._write(change, note=False)
        if self._noted and not self._module.check_mode:
            self._before.unlink()

    def _write(self, change: Change, *, note: bool = True) -> None:
        if note and change.path not in self._noted:
            self._note(change)
        if not self._module.check_mode:
            try:
                Path(change.path).write_text(change.wanted, encoding="ascii")
            except OSError as error:
                self._cannot(change, f": {error.strerror}")
                return
        self.made.append(change)

    def _note(self, change: Change) -> None:
        chosen = [word[1:-1] for word in change.present.split() if word.startswith("[")]
        self._noted[change.path] = chosen[0] if chosen else change.present
        if not self._module.check_mode:
            self._before.parent.mkdir(parents=True, exist_ok=True)
            self._before.write_text(json.dumps(self._noted, indent=1) + "\n", encoding="utf-8")

    def _cannot(self, change: Change, why: str = "") -> None:
        self.differs.append(f"{change.path} is {change.present}, wanted {change.wanted}{why}")

    def result(self) -> dict[str, Any]:
        """What Ansible is told of them."""
        sides = {
            side: "".join(f"{change.path} = {getattr(change, name)}\n" for change in self.made)
            for side, name in (("before", "present"), ("after", "wanted"))
        }
        return {"changed": bool(self.made), "differs": self.differs, "diff": sides}


def main() -> None:
    """Ansible's entry."""
    module = files_module(
        {
            "settings": {"type": "dict", "required": True},
            "before": {"type": "path", "required": True},
            "shared": {"type": "bool", "default": False},
            "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        }
    )
    module.params["settings"] = {path: str(value) for path, value in module.params["settings"].items()}
    paths = Paths(module)
    paths.apply(module.params["files"])
    settings = Settings(module)
    if module.params["state"] == "absent":
        settings.unmake()
    else:
        settings.make()
    made = settings.result()
    module.exit_json(
        changed=bool(made["changed"] or paths.changed_paths),
        differs=made["differs"],
        shared=module.params["shared"],
        diff=[*paths.diff, *([made["diff"]] if made["changed"] else [])],
    )


if __name__ == "__main__":
    main()
