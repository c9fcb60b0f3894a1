# SPDX-License-Identifier: MIT
"""What a change of the network must not cut: which interfaces are left alone, and why."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.cluster_network_change import Live
from ansible.module_utils.cluster_network_managers import RefusedError, configured
from ansible.module_utils.cluster_network_plan import present_files


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


def ip(*arguments: str) -> list[dict[str, Any]]:
    """What ``ip -json`` says. Raises OSError and subprocess.CalledProcessError."""
    command = ["ip", "-json", *arguments]
    # By PATH: where ip is differs between distributions. Arguments are this module's own words and no shell sees them.
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: list[dict[str, Any]] = json.loads(told or "[]")
    return found


def refuse_unfit(given: Mapping[str, Any], addresses: Mapping[str, list[str]]) -> None:
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


def refuse_protected(interface: str, confirmed: str, addresses: Mapping[str, list[str]]) -> None:
    """Refuse what SSH or the default route goes through, unless its name is ``confirmed``."""
    found = [route for family in ("-4", "-6") for route in ip(family, "route", "show", "default")]
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


def refuse_without_link(interface: str, live: Live | None) -> None:
    """Refuse an interface that is up and has no link."""
    try:
        carrier = Path("/sys/class/net", interface, "carrier").read_text(encoding="utf-8").strip()
    except OSError:
        # An interface that is down does not know.
        return
    if live and live.up and carrier == "0":
        raise RefusedError(f"{interface} has no link: is the cable in, and the switch on?")
