#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: one interface's static address, changed so that the host can take it back by itself."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cluster_network_change import (
    APPLIED,
    APPLY,
    CONFIRMED,
    PENDING,
    PROGRAM,
    STATE,
    UNDO,
    UNDOING,
    UNDONE,
    UNITS,
    Change,
    Live,
    disarm,
    live_of,
)
from ansible.module_utils.cluster_network_managers import (
    FILES,
    MANAGERS,
    Found,
    RefusedError,
    configured,
    decided,
    entering,
    leaving,
    read_found,
    returning,
)
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
_UNDO_SERVICE = """\
[Unit]
Description=Take back a network change that nobody has confirmed

[Service]
Type=oneshot
ExecStart={python} {program} undo
TimeoutStartSec=5min
"""
_UNDO_TIMER = """\
[Unit]
Description=Take back a network change that nobody has confirmed

[Timer]
OnActiveSec={seconds}s
AccuracySec=100ms

[Install]
WantedBy=timers.target
"""


def protected(
    addresses: Mapping[str, Iterable[str]],
    ssh_address: str,
    default_routes: Iterable[str],
    lower: Mapping[str, Iterable[str]],
) -> dict[str, str]:
    """Interfaces that a change might cut the host off by, each with what it carries.

    Args:
        addresses: Each interface's addresses.
        ssh_address: The host's address that SSH came in by, with ``%interface`` where it is link-local; "" if unknown.
        default_routes: Interfaces that the default routes go through.
        lower: The interfaces that each bridge, bond or VLAN is made of.
    """
    address, _, scope = ssh_address.partition("%")
    found: dict[str, str] = {}
    for interface in default_routes:
        found[interface] = "the default route"
    for interface, its in addresses.items():
        if interface == scope or (not scope and address in its):
            found[interface] = "the connection that Ansible came in by"
    todo = list(found)
    while todo:
        upper = todo.pop()
        for interface in lower.get(upper, ()):
            if interface not in found:
                found[interface] = f"{found[upper]}, through {upper}"
                todo.append(interface)
    return found


def differences(interface: str, wanted: tuple[str, int], live: Live | None) -> list[str]:
    """What an interface is not, of the (address with prefix, MTU) that it should be, in words."""
    if live is None:
        return [f"{interface} is not there"]
    address, mtu = wanted
    found = []
    if address not in live.addresses:
        found.append(f"{interface} has {', '.join(live.addresses) or 'no IPv4 address'}, not {address}")
    if live.mtu != mtu:
        found.append(f"{interface} has an MTU of {live.mtu}, not {mtu}")
    if not live.up:
        found.append(f"{interface} is down")
    return found


def ssh_address() -> str:
    """The host's address that SSH came in by, from this process or one that it descends from: sudo drops it."""
    process = os.getpid()
    while process > 1:
        try:
            environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            # The name in parentheses may hold blanks; the parent is the second word after it.
            parent = int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return ""
        for variable in environment:
            name, _, value = variable.partition(b"=")
            if name == b"SSH_CONNECTION":
                return dict(enumerate(value.decode().split())).get(2, "")
        process = parent
    return ""


def _ip(*arguments: str) -> list[dict[str, Any]]:
    command = ["ip", "-json", *arguments]
    # By PATH: where ip is differs between distributions. Arguments are this module's own words and no shell sees them.
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: list[dict[str, Any]] = json.loads(told or "[]")
    return found


def present_files() -> dict[str, dict[str, Any]]:
    """Our file of each manager as it is now; without content if it is not there."""
    found = {}
    for manager, (name, mode) in FILES.items():
        path = Path(name)
        there = path.is_file()
        found[manager] = {
            "path": name,
            "content": path.read_text(encoding="utf-8") if there else None,
            "mode": f"{stat.S_IMODE(path.stat().st_mode):04o}" if there else mode,
        }
    return found


def _refuse_unfit(given: Mapping[str, Any], addresses: Mapping[str, list[str]]) -> None:
    """Refuse an interface that is not a plain one of this host, has no link, or carries what must not be cut."""
    interface, address = given["interface"], given["address"]
    link = Path("/sys/class/net", interface)
    if not link.exists():
        raise RefusedError(f"{interface} is not an interface of this host, which has {', '.join(sorted(addresses))}")
    if (link / "master").exists():
        raise RefusedError(f"{interface} is a part of {(link / 'master').readlink().name}: name that one")
    if (link / "wireless").exists():
        raise RefusedError(f"{interface} is wireless: the cluster network is a wired one")
    elsewhere = [name for name, its in addresses.items() if address.split("/")[0] in its and name != interface]
    ours = {(configured(file["content"]) or ("",))[0] for file in present_files().values()}
    if set(elsewhere) - ours:
        raise RefusedError(f"{address} is on {elsewhere[0]} already, not on {interface}")


def _refuse_protected(interface: str, confirmed: str, addresses: Mapping[str, list[str]]) -> None:
    found = [route for family in ("-4", "-6") for route in _ip(family, "route", "show", "default")]
    routes = [route["dev"] for route in found if "dev" in route]
    net = Path("/sys/class/net")
    lower = {name: [path.name.removeprefix("lower_") for path in (net / name).glob("lower_*")] for name in addresses}
    carries = protected(addresses, ssh_address(), routes, lower).get(interface)
    if carries and confirmed != interface:
        raise RefusedError(
            f"{interface} carries {carries}: it is left alone. Name the dedicated interface in "
            "cluster_network_interface, or repeat the name to change it all the same: "
            f"cluster_network_confirm_interface: {interface}"
        )


def planned(given: Mapping[str, Any], found: Found, manager: str) -> Change:
    """The change that brings this host's files and interfaces to what was asked for; files as they are need none."""
    present = present_files()
    wanted = {
        name: {"path": path, "content": given["files"].get(name) if name == manager else None, "mode": mode}
        for name, (path, mode) in FILES.items()
    }
    change = Change()
    for name in MANAGERS:
        if wanted[name] == present[name]:
            continue
        change.files.append(wanted[name])
        change.previous.append(present[name])
    concerned = [name for name in MANAGERS if name == manager or present[name]["content"] is not None]
    for name in concerned:
        before, after = (configured(each[name]["content"]) for each in (present, wanted))
        interfaces = list(dict.fromkeys(each[0] for each in (before, after) if each))
        change.leave += leaving(name, interfaces)
        change.enter += entering(name, wanted[name]["content"], interfaces, found)
        change.return_ += returning(name, present[name]["content"], interfaces, found)
        if before and before != after:
            # Not every manager takes an address away that it no longer knows.
            change.leave.append(["ip", "address", "delete", before[1], "dev", before[0]])
        for interface in interfaces:
            live = live_of(interface)
            if live:
                change.live[interface] = live
    return change


def _await_earlier(module: AnsibleModule) -> None:
    """Let the host finish taking back a change that nobody has confirmed, as after an interrupted run."""
    until = time.monotonic() + 120
    while any((STATE / name).exists() for name in (PENDING, UNDOING)):
        if time.monotonic() > until:
            msg = f"an earlier change of the network is still to be taken back: systemctl status {UNDO}.timer"
            module.fail_json(msg=msg)
        time.sleep(1)


def _arm(module: AnsibleModule, change: Change) -> None:
    """Have the change taken back later, then have it made in a moment, when this module has been answered."""
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(mode=0o700, parents=True)
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    PROGRAM.write_text(module.params["program"], encoding="utf-8")
    service = _UNDO_SERVICE.format(python=sys.executable, program=PROGRAM)
    (UNITS / f"{UNDO}.service").write_text(service, encoding="utf-8")
    (UNITS / f"{UNDO}.timer").write_text(_UNDO_TIMER.format(seconds=module.params["undo_after"]), encoding="utf-8")
    (STATE / PENDING).write_text(change.text(), encoding="utf-8")
    # Left over from an earlier change, a timer would not start counting anew.
    module.run_command(["systemctl", "stop", f"{UNDO}.timer", f"{APPLY}.timer", f"{APPLY}.service"])
    module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    module.run_command(["systemctl", "enable", "--now", f"{UNDO}.timer"], check_rc=True)
    delayed = ["systemd-run", "--quiet", "--collect", f"--unit={APPLY}", "--on-active=1"]
    delayed.append("--timer-property=AccuracySec=100ms")
    module.run_command([*delayed, sys.executable, str(PROGRAM), "apply"], check_rc=True)


def begin(module: AnsibleModule, addresses: Mapping[str, list[str]]) -> dict[str, Any]:
    """Compare, and start a change if there is one to make.

    Raises:
        RefusedError: The interface cannot be configured as it was asked for.
    """
    given = module.params
    if not module.check_mode:
        _await_earlier(module)
    if given["state"] == "present":
        _refuse_unfit(given, addresses)
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
        "diff": [
            {
                "before_header": file["path"],
                "after_header": file["path"],
                "before": before["content"] or "",
                "after": file["content"] or "",
            }
            for file, before in zip(change.files, change.previous, strict=True)
        ],
    }
    if not lacking:
        return result
    result["diff"].append({"prepared": "".join(f"{line}\n" for line in lacking)})
    for interface in change.live:
        _refuse_protected(interface, given["confirm_interface"], addresses)
    if given["state"] == "present":
        _refuse_without_link(given["interface"], live_of(given["interface"]))
    if not module.check_mode:
        _arm(module, change)
    return result


def _refuse_without_link(interface: str, live: Live | None) -> None:
    try:
        carrier = Path("/sys/class/net", interface, "carrier").read_text(encoding="utf-8").strip()
    except OSError:
        # An interface that is down does not know.
        return
    if live and live.up and carrier == "0":
        raise RefusedError(f"{interface} has no link: is the cable in, and the switch on?")


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
        for link in _ip("address", "show")
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
