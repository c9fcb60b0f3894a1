#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: what a host is made of, how it runs, and what that means for the cluster."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hardware_findings import Wanted, findings_of
from ansible.module_utils.hardware_host import profile_of, read_hardware
from ansible.module_utils.host_reader import HostReader

DOCUMENTATION = r"""
module: hardware_facts
short_description: Read a host's hardware and judge it
description:
  - Reads board, memory, kernel, storage, frequency, temperature, power and swap, each with its source, and says what
    would stop or slow the cluster there. What cannot be told is C(unknown), and never an alarm.
  - Changes nothing. With O(root) it reads the recording of a host instead; see plugins/module_utils/host_reader.py.
options:
  root: {type: path, default: /, description: The host itself, or the directory of a recording.}
  data_path: {type: path, required: true, description: Where the engine keeps its data; it need not exist yet.}
  engine: {type: str, default: keydb, description: The engine that is to run there.}
  engine_page_size: {type: int, default: 4096, description: Largest memory page in bytes that its build can run on.}
  ignore_cow_bug: {type: bool, default: false, description: Whether the engine is told to start in spite of it.}
  spare_storage: {type: bool, default: false, description: Whether persistence is tuned down.}
  profile: {type: str, default: auto, choices: [auto, pi4b, pc, none], description: Profile that was asked for.}
  governor: {type: str, default: "", description: CPU governor that a profile will set; empty for none.}
author: The project
"""

EXAMPLES = r"""
- name: Read the hardware
  hardware_facts:
    data_path: /var/lib/keydb
  register: hardware
"""

RETURN = r"""
facts:
  {type: dict, returned: always, description: Name of each fact to its C(value) and its C(source).}
findings:
  type: list
  returned: always
  description: Dictionaries of severity (stop or warn), about, what, why and remedy; what stops comes first.
profile: {type: str, returned: always, description: The profile in effect.}
recorded: {type: bool, returned: always, description: Whether a recording was read.}
"""


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "data_path": {"type": "path", "required": True},
            "engine": {"type": "str", "default": "keydb"},
            "engine_page_size": {"type": "int", "default": 4096},
            "ignore_cow_bug": {"type": "bool", "default": False},
            "spare_storage": {"type": "bool", "default": False},
            "profile": {"type": "str", "default": "auto", "choices": ["auto", "pi4b", "pc", "none"]},
            "governor": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not Path(given["root"]).is_dir():
        module.fail_json(msg=f"there is no recording at {given['root']} (hardware_recording)")
    reader = HostReader(given["root"])
    hardware = read_hardware(reader, given["data_path"])
    profile = profile_of(given["profile"], hardware.board.kind.value)
    wanted = Wanted(
        engine=given["engine"],
        engine_page_size=given["engine_page_size"],
        ignore_cow_bug=given["ignore_cow_bug"],
        spare_storage=given["spare_storage"],
        governor=given["governor"] if profile != "none" else "",
    )
    module.exit_json(
        changed=False,
        facts=hardware.as_facts(),
        findings=[asdict(finding) for finding in findings_of(hardware, wanted)],
        profile=profile,
        recorded=reader.is_recorded,
    )


if __name__ == "__main__":
    main()
