#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: one interface's static address, changed so that the host can take it back by itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cluster_network_arming import arm, await_earlier
from ansible.module_utils.cluster_network_change import (
    APPLIED,
    CONFIRMED,
    PENDING,
    STATE,
    UNDOING,
    UNDONE,
    Change,
    disarm,
    live_of,
)
from ansible.module_utils.cluster_network_guards import (
    ip,
    refuse_protected,
    refuse_unfit,
    refuse_without_link,
    ssh_address,
)
from ansible.module_utils.cluster_network_managers import (
    MANAGERS,
    Found,
    RefusedError,
    configured,
    decided,
    read_found,
)
from ansible.module_utils.cluster_network_plan import differences, planned, present_files
from ansible.module_utils.host_reader import HostReader

DOCUMENTATION = r"""
module: cluster_network
short_description: Give one interface its static address through what the host configures its network with
description:
  - Finds out what configures the interface and keeps one file of our own there. Changes something only if the file or
    the interface is not as it should be.
  - Refuses the interface that SSH or the default route uses unless O(confirm_interface) repeats its name.
  - Before a change the host is armed to take it back by itself, also after a reboot. The action plugin of this name
    then comes in anew and confirms.
options:
  state: {type: str, choices: [present, absent], default: present, description: Whether our file is there.}
  interface: {type: str, default: "", description: The interface.}
  address: {type: str, default: "", description: "Its address with prefix, such as 10.77.0.11/24."}
  mtu: {type: int, default: 1500, description: Largest packet in bytes.}
  manager: {type: str, default: auto, description: "auto, networkmanager, netplan, networkd or ifupdown."}
  files: {type: dict, default: {}, description: What our file of each manager is to say.}
  confirm_interface: {type: str, default: "", description: Name of an interface to change although SSH uses it.}
  undo_after: {type: int, default: 40, description: Seconds after which an unconfirmed change is taken back.}
  step: {type: str, choices: [begin, confirm], default: begin, description: For the action plugin.}
  program: {type: str, default: "", description: For the action plugin.}
  token: {type: str, default: "", description: For the action plugin.}
"""

EXAMPLES = r"""
- name: Configure the interface
  cluster_network:
    interface: eth1
    address: 10.77.0.11/24
    files: "{{ _cluster_network_files }}"
"""

RETURN = r"""
manager: {type: str, returned: present, description: What configures the interface.}
why: {type: str, returned: present, description: Why it was taken.}
differences: {type: list, elements: str, returned: always, description: What was not as it should be.}
outcome: {type: str, returned: by step confirm, description: "waiting, confirmed, undoing or undone."}
token: {type: str, returned: by step confirm, description: What the change can be confirmed with.}
"""

# Not every manager has done all of it when it says so.
_SETTLED_S = 2


def begin(module: AnsibleModule, addresses: Mapping[str, list[str]]) -> dict[str, Any]:
    """Compare, and start a change if there is one to make.

    Raises:
        RefusedError: The interface cannot be configured as it was asked for.
    """
    given = module.params
    if not module.check_mode:
        await_earlier()
    if given["state"] == "present":
        refuse_unfit(given, addresses)
        found = read_found(HostReader(), given["interface"])
        manager, why = decided(given["manager"], found, given["interface"])
    else:
        interfaces = [ours[0] for file in present_files().values() if (ours := configured(file["content"]))]
        found = read_found(HostReader(), interfaces[0]) if interfaces else Found()
        manager, why = "", ""
    change = planned(given, found, manager)
    lacking = [
        f"{file['path']} is {'to go' if file['content'] is None else 'not as it should be'}" for file in change.files
    ]
    if given["state"] == "present":
        lacking += differences(given["interface"], (given["address"], given["mtu"]), live_of(given["interface"]))
    result = {
        "changed": bool(lacking),
        "manager": manager,
        "why": why,
        "differences": lacking,
        "diff": _diff(change),
    }
    if not lacking:
        return result
    result["diff"].append({"prepared": "".join(f"{line}\n" for line in lacking)})
    for interface in change.live:
        refuse_protected(interface, given["confirm_interface"], addresses)
    if given["state"] == "present":
        refuse_without_link(given["interface"], live_of(given["interface"]))
    if not module.check_mode:
        arm(change, given["program"], given["undo_after"], lambda command: module.run_command(command, check_rc=True))
    return result


def _diff(change: Change) -> list[dict[str, Any]]:
    return [
        {
            "before_header": file["path"],
            "after_header": file["path"],
            "before": before["content"] or "",
            "after": file["content"] or "",
        }
        for file, before in zip(change.files, change.previous, strict=True)
    ]


def confirm(given: Mapping[str, Any], addresses: Mapping[str, list[str]]) -> dict[str, Any]:
    """Say what has become of a change; keep it if the interface is as it should be and the token is given."""
    told = {"changed": False, "outcome": "waiting", "differences": [], "token": ""}
    if (STATE / UNDONE).exists():
        return told | {"outcome": "undone"}
    if (STATE / UNDOING).exists():
        return told | {"outcome": "undoing"}
    applied = STATE / APPLIED
    if not applied.exists() or time.time() - applied.stat().st_mtime < _SETTLED_S:
        return told | {"differences": ["the change is still being made"]}
    lacking = []
    if given["state"] == "present":
        lacking = differences(given["interface"], (given["address"], given["mtu"]), live_of(given["interface"]))
    came_by = ssh_address().partition("%")[0]
    if came_by and not any(came_by in its for its in addresses.values()):
        lacking.append(f"{came_by}, which SSH came in by, is gone")
    token = applied.read_text(encoding="utf-8")
    if lacking or given["token"] != token:
        return told | {"differences": lacking, "token": "" if lacking else token}
    try:
        (STATE / PENDING).rename(STATE / CONFIRMED)
    except FileNotFoundError:
        return told | {"outcome": "undoing"}
    disarm()
    shutil.rmtree(STATE)
    return told | {"outcome": "confirmed"}


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "interface": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "mtu": {"type": "int", "default": 1500},
            "manager": {"type": "str", "default": "auto", "choices": ["auto", *MANAGERS]},
            "files": {"type": "dict", "default": {}},
            "confirm_interface": {"type": "str", "default": ""},
            "undo_after": {"type": "int", "default": 40},
            "step": {"type": "str", "choices": ["begin", "confirm"], "default": "begin"},
            "program": {"type": "str", "default": ""},
            "token": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
        # Its parameters are whole files: too much for the journal.
        no_log=True,
    )
    addresses = {
        link["ifname"]: [address["local"] for address in link["addr_info"] if "local" in address]
        for link in ip("address", "show")
        if link.get("ifname")
    }
    try:
        confirms = module.params["step"] == "confirm"
        result = confirm(module.params, addresses) if confirms else begin(module, addresses)
    except RefusedError as refusal:
        module.fail_json(msg=f"{refusal}. Nothing has been changed.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
