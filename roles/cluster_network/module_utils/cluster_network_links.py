# SPDX-License-Identifier: MIT
"""What a link says about itself: speed, duplex, carrier, MTU, errors, shaping."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible.module_utils.host_reader import HostReader

# Of /sys/class/net/*/statistics. Dropped packets are no errors: a full queue drops, too.
ERRORS = ("rx_errors", "tx_errors", "rx_crc_errors", "rx_frame_errors", "tx_carrier_errors", "collisions")
_UNITS = {"": 1e-6, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}


@dataclass(frozen=True)
class Link:
    """One look at an interface. None is unknown: a virtual one has neither speed nor duplex of its own.

    ``speed`` is in Mbit/s, ``mtu`` in bytes, ``shaped`` the Mbit/s that this host holds its own traffic to.
    """

    interface: str
    virtual: bool = False
    carrier: bool | None = None
    speed: int | None = None
    duplex: str | None = None
    partner: str | None = None
    mtu: int | None = None
    shaped: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)


def interface_of(reader: HostReader, address: str) -> str | None:
    """The interface that has an IPv4 address; None if there is none."""
    for link in json.loads(reader.answer("ip", "-json", "-4", "address", "show") or "[]"):
        if any(entry.get("local") == address for entry in link.get("addr_info", [])):
            return str(link["ifname"])
    return None


def read_link(reader: HostReader, interface: str) -> Link:
    """Look at an interface."""
    home = f"/sys/class/net/{interface}"
    # A veth says 10000 Mb/s whatever it is like.
    virtual = not reader.exists(f"{home}/device")
    told = "" if virtual else reader.answer("ethtool", interface) or ""
    speed = reader.number(f"{home}/speed") or _number(r"^\s*Speed: (\d+)Mb/s", told)
    duplex = reader.text(f"{home}/duplex") or (_word(r"^\s*Duplex: (\w+)", told) or "").lower()
    carrier = reader.number(f"{home}/carrier")
    counted = {name: reader.number(f"{home}/statistics/{name}") for name in ERRORS}
    return Link(
        interface=interface,
        virtual=virtual,
        carrier=None if carrier is None else bool(carrier),
        speed=speed if speed and speed > 0 and not virtual else None,
        duplex=duplex if duplex in ("full", "half") and not virtual else None,
        partner=_word(r"^\s*Link partner advertised link modes:\s*((?:\S+/\w+\s*)+)", told),
        mtu=reader.number(f"{home}/mtu"),
        shaped=shaped_mbits(reader.answer("tc", "qdisc", "show", "dev", interface, "root") or ""),
        errors={name: count for name, count in counted.items() if count is not None},
    )


def shaped_mbits(told: str) -> float | None:
    """The rate in Mbit/s that a root queue holds a host's own traffic to, by ``tc qdisc show``; None without one."""
    pattern = r"^qdisc (?:tbf|netem|cake)\b.*?\b(?:rate|bandwidth) ([\d.]+)([KMGT]?)i?bit\b"
    match = re.search(pattern, told, re.MULTILINE)
    return float(match[1]) * _UNITS[match[2]] if match else None


def errors_grown(before: Link, after: Link) -> dict[str, int]:
    """Error counters that have grown from one look to another, and by how much."""
    return {
        name: count - before.errors.get(name, count)
        for name, count in after.errors.items()
        if count > before.errors.get(name, count)
    }


def link_problems(before: Link, after: Link, least_mbits: int, mtu: int = 0) -> list[str]:
    """What is wrong with a link, in words; what is unknown is no problem. ``mtu`` 0 is any."""
    name = after.interface
    if after.carrier is False:
        return [f"{name} has no link: is the cable in, and the switch on?"]
    found = []
    if after.speed is not None and after.speed < least_mbits:
        found.append(f"{name} is negotiated at {after.speed} Mb/s: four good pairs in the cable, a gigabit port?")
    if after.duplex == "half":
        found.append(f"{name} is half duplex: do both ends negotiate by themselves?")
    grown = errors_grown(before, after)
    if grown:
        found.append(f"{name} counts errors: {', '.join(f'{error} +{count}' for error, count in grown.items())}")
    if mtu and after.mtu is not None and after.mtu != mtu:
        found.append(f"{name} has an MTU of {after.mtu}, not {mtu}")
    return found


def described(link: Link) -> str:
    """A link in a few words; what it does not tell is "unknown"."""
    speed = f"{link.speed} Mb/s" if link.speed else "speed unknown"
    duplex = f"{link.duplex} duplex" if link.duplex else "duplex unknown"
    why = " (a virtual interface)" if link.virtual else ""
    return f"{link.interface}: {speed}, {duplex}{why}, MTU {link.mtu or 'unknown'}"


def _word(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return " ".join(match[1].split()) if match else None


def _number(pattern: str, text: str) -> int | None:
    word = _word(pattern, text)
    return int(word) if word else None
