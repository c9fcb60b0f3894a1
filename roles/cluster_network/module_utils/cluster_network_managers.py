# SPDX-License-Identifier: MIT
"""Which program configures an interface of this host, and what it has to be told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible.module_utils.host_reader import HostReader

MANAGERS = ("networkmanager", "netplan", "networkd", "ifupdown")
# Our one file for each: where it is, and who may read it. netplan and NetworkManager insist on theirs.
FILES: Mapping[str, tuple[str, str]] = {
    "networkmanager": ("/etc/NetworkManager/system-connections/keydb-cluster.nmconnection", "0600"),
    "netplan": ("/etc/netplan/60-keydb-cluster.yaml", "0600"),
    # Of several files that fit an interface systemd-networkd takes the first; netplan's begin with 10.
    "networkd": ("/etc/systemd/network/05-keydb-cluster.network", "0644"),
    "ifupdown": ("/etc/network/interfaces.d/keydb-cluster", "0644"),
}
_INTERFACES = "/etc/network/interfaces"
_NM_UNMANAGED = "unmanaged"
_HEADER = re.compile(r"^# Interface (\S+), address (\S+)$", re.MULTILINE)
_NM_UP = ("nmcli", "--wait", "15", "connection", "up")
_NM_UUID = re.compile(r"^uuid=(\S+)$", re.MULTILINE)


class RefusedError(Exception):
    """The interface cannot be configured as it was asked for; the message says why and what would help."""


@dataclass(frozen=True)
class Found:
    """What this host has to configure an interface with."""

    # NetworkManager's word for the interface, such as "connected" or "unmanaged"; None where it does not run.
    nm_state: str | None = None
    # The UUID of the profile that is active there.
    nm_connection: str = ""
    networkd_runs: bool = False
    netplan_installed: bool = False
    netplan_files: tuple[str, ...] = ()
    netplan_renderer: str = "networkd"
    ifupdown_installed: bool = False
    ifupdown_includes: bool = False
    # A file of somebody else in which ifupdown finds the interface.
    ifupdown_owner: str = ""

    @property
    def nm_manages(self) -> bool:
        """Whether NetworkManager runs and has not been told to leave the interface alone."""
        return self.nm_state not in (None, _NM_UNMANAGED)


def read_found(reader: HostReader, interface: str) -> Found:
    """Ask the host."""
    # "100 (connected)" and the profile's UUID, a line each.
    told = reader.answer("nmcli", "-g", "GENERAL.STATE,GENERAL.CON-UUID", "device", "show", interface)
    state, _, connection = (told or "").partition("\n")
    installed = reader.exists("/usr/sbin/netplan")
    renderers = [
        reader.answer("netplan", "get", key) if installed else None
        for key in (f"ethernets.{interface}.renderer", "renderer")
    ]
    interfaces = reader.text(_INTERFACES) or ""
    others = [path for path in reader.paths("/etc/network/interfaces.d/*") if path != FILES["ifupdown"][0]]
    defined = re.compile(rf"^\s*iface\s+{re.escape(interface)}\s", re.MULTILINE)
    return Found(
        nm_state=re.sub(r"^\d+ \((.*)\)$", r"\1", state.strip()) if told else None,
        nm_connection=connection.strip(),
        networkd_runs=reader.answer("systemctl", "is-active", "systemd-networkd") == "active",
        netplan_installed=installed,
        netplan_files=tuple(path for path in reader.paths("/etc/netplan/*.yaml") if path != FILES["netplan"][0]),
        netplan_renderer=next((name for name in renderers if name and name != "null"), "networkd"),
        ifupdown_installed=reader.exists("/usr/sbin/ifup") or reader.exists("/sbin/ifup"),
        ifupdown_includes=bool(re.search(r"^\s*source(-directory)?\s+\S*interfaces\.d", interfaces, re.MULTILINE)),
        ifupdown_owner=next((path for path in (_INTERFACES, *others) if defined.search(reader.text(path) or "")), ""),
    )


def decided(asked: str, found: Found, interface: str) -> tuple[str, str]:
    """The manager that is to configure the interface, and why.

    Raises:
        RefusedError: None of them can, or not the one that was asked for.
    """
    if found.ifupdown_installed and found.ifupdown_owner:
        raise RefusedError(
            f"{interface} is configured in {found.ifupdown_owner}: take it out there first, or leave "
            "cluster_network_interface empty to keep it as it is"
        )
    lacking = {manager: _lacks(manager, found, interface) for manager in MANAGERS}
    if asked != "auto":
        if lacking[asked]:
            raise RefusedError(f"cluster_network_manager is {asked}, but {lacking[asked]}")
        return asked, "cluster_network_manager says so"
    why = {
        "networkmanager": f"NetworkManager runs and manages {interface} ({found.nm_state})",
        "netplan": f"netplan is there, configures this host by {' '.join(found.netplan_files) or 'our own file'}",
        "networkd": "systemd-networkd runs, and neither NetworkManager nor netplan is in charge",
        "ifupdown": f"ifupdown is installed, includes {_INTERFACES}.d, and nothing else is in charge",
    }
    for manager in MANAGERS:
        # A netplan without files configures nothing here: it merely came along with something else.
        if not lacking[manager] and (manager != "netplan" or found.netplan_files):
            return manager, why[manager]
    raise RefusedError(f"nothing on this host can configure {interface}: {'; '.join(filter(None, lacking.values()))}")


def _lacks(manager: str, found: Found, interface: str) -> str:
    """What keeps a manager from configuring the interface; "" for nothing."""
    over_nm = manager == "networkmanager" or (manager == "netplan" and found.netplan_renderer == "NetworkManager")
    netplan_works = found.nm_manages if over_nm else found.networkd_runs
    # The first that holds.
    lacking = {
        "networkmanager": [
            (found.nm_state is None, f"NetworkManager does not run or does not know {interface}"),
            (not found.nm_manages, f"NetworkManager has been told not to manage {interface}"),
        ],
        "netplan": [
            (not found.netplan_installed, "netplan is not installed"),
            (not netplan_works, f"what netplan writes for, {found.netplan_renderer}, does not run"),
        ],
        "networkd": [(not found.networkd_runs, "systemd-networkd does not run")],
        "ifupdown": [
            (not found.ifupdown_installed, "ifupdown is not installed"),
            (not found.ifupdown_includes, f"{_INTERFACES} does not include {_INTERFACES}.d"),
        ],
    }[manager]
    two = (
        found.nm_manages and not over_nm,
        f"NetworkManager manages {interface}, and two would undo each other's work",
    )
    return next((why for holds, why in (two, *lacking) if holds), "")


def configured(content: str | None) -> tuple[str, str] | None:
    """(interface, address with prefix) that a file of ours configures, by its first lines; None if it is not ours."""
    match = _HEADER.search(content or "")
    return (match[1], match[2]) if match else None


def leaving(manager: str, interfaces: Iterable[str]) -> list[list[str]]:
    """Commands while the files are still as they were: ifupdown takes down only what it still finds in them."""
    if manager != "ifupdown":
        return []
    return [["ifdown", "--force", interface] for interface in interfaces]


def entering(manager: str, content: str | None, interfaces: Iterable[str], found: Found) -> list[list[str]]:
    """Commands after the files have changed, for these interfaces only: nobody else's pending edit is applied with it.

    ``content`` is what our file now says, None if it is gone. ``interfaces`` are those that it says something about or
    used to.
    """
    ours = configured(content)
    by_nm = manager == "networkmanager" or (manager == "netplan" and found.netplan_renderer == "NetworkManager")
    commands = [["netplan", "generate"]] if manager == "netplan" else []
    if by_nm:
        commands.append(["nmcli", "connection", "reload"])
        uuid = _NM_UUID.search(content or "")
        if ours and uuid:
            commands.append([*_NM_UP, "uuid", uuid[1], "ifname", ours[0]])
        elif ours:
            commands.append([*_NM_UP, f"netplan-{ours[0]}"])
    elif manager == "ifupdown":
        # It stops at an address that is there already.
        if ours:
            commands += [["ip", "-4", "address", "flush", "dev", ours[0]], ["ifup", ours[0]]]
    else:
        commands.append(["networkctl", "reload"])
        commands += [["networkctl", "reconfigure", interface] for interface in interfaces]
    return commands


def returning(manager: str, content: str | None, interfaces: Iterable[str], found: Found) -> list[list[str]]:
    """Commands after the files are again what they were: as for any change, and what NetworkManager had active."""
    commands = entering(manager, content, interfaces, found)
    before = found.nm_connection
    if ["nmcli", "connection", "reload"] in commands and before and before not in (content or ""):
        commands.append([*_NM_UP, "uuid", before])
    return commands
