#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: what chronyd of this host says about its clock, and what the host has for it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_reader import HostReader
from ansible.module_utils.node_timestamps import has_hardware_timestamps

DOCUMENTATION = r"""
module: time_sync_facts
short_description: Ask chronyd how far this host's clock may be off
description:
  - Reads C(chronyc tracking) and C(chronyc sources) as typed facts, and whether the interface of an address can take
    timestamps. Changes nothing.
  - Waits until the host is synchronised if it is told for how long. After O(timeout) it fails if it is not then, after
    O(patience) it says so like everything else.
options:
  address: {type: str, required: true, description: The host's own address on the cluster network.}
  servers: {type: list, elements: str, default: [], description: Addresses of the servers that it follows.}
  may_lead: {type: bool, default: false, description: Whether its own clock may be the time.}
  required:
    type: bool
    default: true
    description: Whether trouble is somebody's to see to. It is handed back for whoever weighs the answer.
  timeout: {type: float, default: 0, description: Seconds in which the host has to be synchronised.}
  patience: {type: float, default: 0, description: Seconds in which it may be.}
"""

EXAMPLES = r"""
- name: Wait until it is synchronised
  time_sync_facts:
    address: 10.77.0.12
    servers: [10.77.0.11]
    timeout: 60
"""

RETURN = r"""
installed: {type: bool, returned: always, description: Whether chrony is.}
required: {type: bool, returned: always, description: As it was given.}
interface: {type: str, returned: always, description: The interface that has the address; empty if none has it.}
hardware_timestamps: {type: bool, returned: always, description: Whether that interface can take timestamps.}
tracking: {type: dict, returned: always, description: What the clock is set by, and its errors in s; null if unknown.}
sources: {type: list, elements: dict, returned: always, description: Each source, and how well it is heard.}
trouble: {type: str, returned: always, description: Why the host is not synchronised to whom it should; empty if it is.}
"""

_PAUSE_S = 0.25
_LOCAL = "7F7F0101"
_SYNCHRONISED = ("Normal", "Insert second", "Delete second")
# As chronyc(1) explains them under sources.
_STATES = {
    "*": "selected",
    "+": "combined",
    "-": "not combined",
    "?": "unusable",
    "x": "a falseticker",
    "~": "too variable",
}


@dataclass(frozen=True)
class Tracking:
    """Answer of ``chronyc tracking``. Times in s.

    Attributes:
        reference: Address of the source that the clock is set by; "" for its own clock, or none.
        is_local: Whether its own clock is the time.
        is_synchronised: Whether it is set by anything at all.
        offset_s: How far the system's clock is ahead of the time as chronyd knows it.
        error_bound_s: How far it may be off the clock at the root: |offset| + root dispersion + root delay / 2, as
            chronyc(1) gives it under ``tracking``.
    """

    reference: str
    is_local: bool
    is_synchronised: bool
    stratum: int
    offset_s: float
    root_delay_s: float
    root_dispersion_s: float
    error_bound_s: float
    frequency_ppm: float
    skew_ppm: float
    leap: str


@dataclass(frozen=True)
class Source:
    """A line of ``chronyc sources``. ``reach`` counts how many of the last eight questions were answered."""

    address: str
    state: str
    stratum: int
    poll: int
    reach: int
    last_answer_s: int
    offset_s: float
    error_s: float


def parse_tracking(text: str | None) -> Tracking | None:
    """The answer of ``chronyc -c -n tracking``; None if it is no such answer."""
    fields = (text or "").strip().split(",")
    try:
        identity, reference, stratum, _, behind, _, _, frequency, _, skew, delay, dispersion, _, leap = fields
        offset_s, delay_s, dispersion_s = -float(behind), float(delay), float(dispersion)
        return Tracking(
            reference=reference,
            is_local=identity == _LOCAL,
            is_synchronised=leap in _SYNCHRONISED,
            stratum=int(stratum),
            # Not "-0.0".
            offset_s=offset_s or 0.0,
            root_delay_s=delay_s,
            root_dispersion_s=dispersion_s,
            error_bound_s=abs(offset_s) + dispersion_s + delay_s / 2,
            frequency_ppm=float(frequency),
            skew_ppm=float(skew),
            leap=leap,
        )
    except ValueError:
        return None


def parse_sources(text: str | None) -> list[Source]:
    """The lines of ``chronyc -c -n sources``; a line that is none is left out."""
    found = []
    for line in (text or "").splitlines():
        try:
            _, state, address, stratum, poll, reach, last, offset, _, error = line.strip().split(",")
            source = Source(
                address=address,
                state=_STATES.get(state, state),
                stratum=int(stratum),
                poll=int(poll),
                # An octal register of eight bits.
                reach=int(reach, 8).bit_count(),
                last_answer_s=int(last),
                offset_s=float(offset),
                error_s=float(error),
            )
        except ValueError:
            continue
        found.append(source)
    return found


def trouble_of(tracking: Tracking | None, sources: list[Source], servers: list[str], *, may_lead: bool) -> str:
    """Why a host is not synchronised to any of its servers, nor its own clock the time; "" if it is."""
    if tracking is None:
        return "chronyd does not answer"
    whom = " or ".join(servers) or "any source"
    if not tracking.is_synchronised:
        heard = [f"{each.address} is {each.state}, {each.reach} of 8 answers" for each in sources]
        return f"is not synchronised to {whom} ({'; '.join(heard) or 'chronyd knows no source'})"
    if tracking.is_local:
        return "" if may_lead else f"takes its own clock for the time, not that of {whom}"
    # A server that leads may follow whom it wants, such as the internet.
    return "" if may_lead or tracking.reference in servers else f"follows {tracking.reference}, not {whom}"


def interface_of(address: str, listed: str | None) -> str:
    """Name of the interface that has an address, from ``ip -json -4 address show``; "" if none has."""
    try:
        interfaces = json.loads(listed or "[]")
    except ValueError:
        return ""
    for interface in interfaces:
        if address in [each.get("local") for each in interface.get("addr_info", [])]:
            return str(interface["ifname"])
    return ""


def clock(host: HostReader, servers: list[str], *, may_lead: bool) -> tuple[Tracking | None, list[Source], str]:
    """What chronyd says now: what the clock is set by, its sources, and what is wrong with that."""
    tracking = parse_tracking(host.answer("chronyc", "-c", "-n", "tracking"))
    sources = parse_sources(host.answer("chronyc", "-c", "-n", "sources")) if tracking else []
    return tracking, sources, trouble_of(tracking, sources, servers, may_lead=may_lead)


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "default": []},
            "may_lead": {"type": "bool", "default": False},
            "required": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 0},
            "patience": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    given = module.params
    host = HostReader()
    interface = interface_of(given["address"], host.answer("ip", "-json", "-4", "address", "show"))
    installed = host.exists("/usr/sbin/chronyd")
    until = time.monotonic() + max(given["timeout"], given["patience"])
    while True:
        tracking, sources, trouble = clock(host, given["servers"], may_lead=given["may_lead"])
        if not installed:
            trouble = "chrony is not installed"
        if not trouble or time.monotonic() >= until:
            break
        time.sleep(_PAUSE_S)
    facts = {
        "installed": installed,
        "required": given["required"],
        "interface": interface,
        "hardware_timestamps": bool(interface) and has_hardware_timestamps(interface),
        "tracking": asdict(tracking) if tracking else None,
        "sources": [asdict(source) for source in sources],
        "trouble": trouble,
    }
    if trouble and given["timeout"]:
        module.fail_json(msg=f"{given['address']} {trouble}, after {given['timeout']:g} s", **facts)
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
