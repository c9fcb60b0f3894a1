#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: many units of a node and their files, brought into their state in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.node_paths import Paths, files_module

DOCUMENTATION = r"""
module: node_units
short_description: Bring many units of a node, and their files, into their state at once
description:
  - Brings files into their state first, as the module node_files does.
  - Looks at all units first, by two calls of systemctl, and does only what is due. systemd reads its files again where
    it says itself that they have changed, or where it does not know a unit.
  - A unit that does not start fails the task with the last lines of its journal.
options:
  units:
    type: list
    elements: dict
    required: true
    description: The units, in the order in which they are to be seen to.
    suboptions:
      name: {type: str, required: true, description: With its suffix.}
      state:
        type: str
        choices: [started, absent]
        default: started
        description: Enabled and active; or stopped, disabled and without its file in C(/etc/systemd/system).
      notes:
        type: path
        description:
          - A file in which the unit noted at its start, as sha256sum prints them, the checksums of what it was started
            with. What differs makes a restart due, and so does an active unit without its notes.
      inputs:
        type: list
        elements: str
        default: []
        description: Paths of O(files) that it is started with. In check mode, one that would change makes it stale.
      will_change:
        type: bool
        default: false
        description: In check mode, whether the run would have changed before what the unit is started with.
      restart:
        type: bool
        default: true
        description: Whether to restart it when that is due. When not, it is only told.
      reload_for:
        type: list
        elements: str
        default: []
        description: Paths of O(files) for whose change it is reloaded, if it is active and not restarted.
      proof:
        type: list
        elements: str
        description: A command that ends with 0 while the active unit does what it is for; otherwise it is restarted.
  files:
    type: list
    elements: dict
    default: []
    description: Files, directories and links, with the suboptions of the module node_files.
  needs:
    type: path
    description: A file without which nothing at all is done, such as one that tells that a program is installed.
  watch:
    type: list
    elements: str
    default: []
    description: Further units for whose sake systemd may have to read its files again, such as one with a new drop-in.
"""

EXAMPLES = r"""
- name: Run the server, and nothing of what it replaces
  node_units:
    files:
      - path: /etc/systemd/system/thing.service
        content: "{{ lookup('ansible.builtin.template', 'thing.service.j2') }}"
    units:
      - {name: thing.service, notes: /run/thing/started-with}
      - {name: old-thing.service, state: absent}
"""

RETURN = r"""
missing: {type: bool, returned: always, description: Whether what O(needs) names is not there.}
changed_paths:
  {type: list, elements: str, returned: always, description: "Of the files, those that were changed, or would be."}
stale:
  type: dict
  returned: always
  description: Of the units that are out of date, name to the paths that differ; in check mode, to those that would.
actions:
  type: list
  returned: always
  description: What was done, or would be, each as a verb and a unit.
"""

_UNIT_DIRECTORY = Path("/etc/systemd/system")
_PROPERTIES = ("LoadState", "ActiveState", "NeedDaemonReload")
_LINES = 20

Unit = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """A unit as systemd has it."""

    loaded: bool
    active: bool
    needs_reading: bool
    enabled: bool


def parse_states(names: list[str], shown: str, enabled: str) -> dict[str, State]:
    """The states of units, by name.

    Args:
        names: The units that were asked for.
        shown: What ``systemctl show`` printed for them, in their order, with blank lines between.
        enabled: What ``systemctl is-enabled`` printed for them, in their order.
    """
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    words = enabled.split()
    states = {}
    for index, name in enumerate(names):
        block = blocks[index]
        states[name] = State(
            loaded=block["LoadState"] == "loaded",
            # A start that is under way is one: systemctl start waits for it.
            active=block["ActiveState"] in ("active", "reloading"),
            needs_reading=block["NeedDaemonReload"] == "yes",
            enabled=index < len(words) and words[index] == "enabled",
        )
    return states


def differing(notes: str) -> list[str]:
    """The paths, in their order, whose SHA-256 is not as noted; ``notes`` has lines as sha256sum prints them.

    A file that is gone differs, too.
    """
    paths = []
    for line in notes.splitlines():
        checksum, _, path = line.partition("  ")
        try:
            found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except OSError:
            found = ""
        if found != checksum and path:
            paths.append(path)
    return paths


def out_of_date(notes: Path) -> list[str]:
    """The paths that differ from the notes of a unit that runs; the notes themselves if they are not there."""
    return differing(notes.read_text("utf-8")) if notes.is_file() else [str(notes)]


class Units:
    """The units of this host, changed or only looked at, after ``changed_paths`` have been."""

    def __init__(self, module: AnsibleModule, changed_paths: list[str]) -> None:
        self._module = module
        self._changed_paths = set(changed_paths)
        self.actions: list[str] = []
        self.stale: dict[str, list[str]] = {}

    def apply(self, units: list[Unit], watched: list[str]) -> None:
        """Bring all units into their states."""
        names = [unit["name"] for unit in units]
        states = self._look([*names, *watched])
        unknown = [unit["name"] for unit in units if unit["state"] == "started" and not states[unit["name"]].loaded]
        # Of what was written just now systemd does not always tell, such as a drop-in for a unit that has never run.
        wrote = any(Path(path).is_relative_to(_UNIT_DIRECTORY) for path in self._changed_paths)
        if unknown or wrote or any(state.needs_reading for state in states.values()):
            self._systemctl("daemon-reload")
            states = self._look(names)
        removed = [self._remove(unit, states[unit["name"]]) for unit in units if unit["state"] == "absent"]
        if any(removed):
            self._systemctl("daemon-reload")
        for unit in units:
            if unit["state"] == "started":
                self._run(unit, states[unit["name"]])

    def _look(self, names: list[str]) -> dict[str, State]:
        show = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *names]
        _, shown, _ = self._module.run_command(show, check_rc=True)
        # It ends with 1 as soon as one is not enabled. What it cannot find it reports elsewhere, so each is asked for.
        known = [name for name in names if _has_file(name)]
        words = ["disabled"] * len(names)
        if known:
            _, printed, _ = self._module.run_command(["systemctl", "is-enabled", "--", *known])
            for name, word in zip(known, printed.split(), strict=False):
                words[names.index(name)] = word
        return parse_states(names, shown, "\n".join(words))

    def _remove(self, unit: Unit, state: State) -> bool:
        name = unit["name"]
        path = _UNIT_DIRECTORY / name
        if not path.exists() and not (state.loaded and state.active):
            return False
        if state.active:
            self._systemctl("stop", name)
        if state.enabled:
            self._systemctl("disable", name)
        if path.exists():
            self.actions.append(f"remove {name}")
            if not self._module.check_mode:
                path.unlink()
        return True

    def _run(self, unit: Unit, state: State) -> None:
        name = unit["name"]
        foreseen = self._module.check_mode and not state.loaded
        if not state.enabled:
            self._systemctl("enable", name)
        if foreseen or not state.active:
            self._start("start", name)
            return
        stale = out_of_date(Path(unit["notes"])) if unit["notes"] else []
        if stale or (self._module.check_mode and self._will_change(unit)):
            self.stale[name] = stale
        if (name in self.stale and unit["restart"]) or not self._proves(unit):
            self._start("restart", name)
        elif self._changed_paths.intersection(unit["reload_for"]):
            self._start("reload", name)

    def _will_change(self, unit: Unit) -> bool:
        return bool(unit["will_change"] or self._changed_paths.intersection(unit["inputs"]))

    def _proves(self, unit: Unit) -> bool:
        return not unit["proof"] or self._module.run_command(unit["proof"])[0] == 0

    def _start(self, verb: str, name: str) -> None:
        if self._systemctl(verb, name, fail=False):
            return
        journal = ["journalctl", "--unit", name, "--lines", str(_LINES), "--no-pager", "--output", "cat"]
        _, said, _ = self._module.run_command(journal)
        self._module.fail_json(msg=f"{name} does not {verb}. {said.strip()}", actions=self.actions, stale=self.stale)

    def _systemctl(self, verb: str, name: str = "", *, fail: bool = True) -> bool:
        """Do it, or only say so in check mode; whether it went well. Reading files again is no change."""
        words = [verb, name] if name else [verb]
        if name:
            self.actions.append(" ".join(words))
        if self._module.check_mode:
            return True
        return bool(self._module.run_command(["systemctl", *words], check_rc=fail)[0] == 0)


def _has_file(name: str, directories: Iterable[str] = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")) -> bool:
    return any(Path(directory, "systemd/system", name).exists() for directory in directories)


def main() -> None:
    """Ansible's entry."""
    module = files_module(
        {
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
                    "notes": {"type": "path"},
                    "inputs": {"type": "list", "elements": "str", "default": []},
                    "will_change": {"type": "bool", "default": False},
                    "restart": {"type": "bool", "default": True},
                    "reload_for": {"type": "list", "elements": "str", "default": []},
                    "proof": {"type": "list", "elements": "str"},
                },
            },
            "needs": {"type": "path"},
            "watch": {"type": "list", "elements": "str", "default": []},
        }
    )
    given = module.params
    if given["needs"] and not Path(given["needs"]).exists():
        module.exit_json(changed=False, missing=True, changed_paths=[], actions=[], stale={}, diff=[])
    paths = Paths(module)
    paths.apply(given["files"])
    units = Units(module, paths.changed_paths)
    units.apply(given["units"], given["watch"])
    module.exit_json(
        changed=bool(paths.changed_paths or units.actions),
        missing=False,
        changed_paths=paths.changed_paths,
        actions=units.actions,
        stale=units.stale,
        diff=paths.diff,
    )


if __name__ == "__main__":
    main()
