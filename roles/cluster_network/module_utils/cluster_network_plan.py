# SPDX-License-Identifier: MIT
"""What is to be changed: our files, and the interface, as they are and as they should be."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.cluster_network_change import Change, Live, live_of
from ansible.module_utils.cluster_network_managers import (
    FILES,
    MANAGERS,
    Found,
    configured,
    entering,
    leaving,
    returning,
)


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
