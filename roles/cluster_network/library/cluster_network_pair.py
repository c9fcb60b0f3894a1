#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: round trip and throughput from this host to one other."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cluster_network_links import interface_of
from ansible.module_utils.host_reader import HostReader

DOCUMENTATION = r"""
module: cluster_network_pair
short_description: Measure round trip and throughput from this host to one other
description:
  - Pings the other host, with the largest packets too, then sends to the iperf3 server that waits there.
  - A measurement that fails is told in the result; the module itself does not fail.
options:
  source: {type: str, required: true, description: This host's address.}
  target: {type: str, required: true, description: The other host's address.}
  port: {type: int, default: 5201, description: TCP port of the server.}
  pings: {type: int, default: 20, description: Number of packets.}
  seconds: {type: int, default: 3, description: Duration of the throughput measurement.}
"""

EXAMPLES = r"""
- name: Measure
  cluster_network_pair:
    source: 10.77.0.11
    target: 10.77.0.12
"""

RETURN = r"""
round_trip:
  type: dict
  returned: always
  description: Packets sent and answered, and the median and worst round trip in ms, none without an answer.
large_packets: {type: bool, returned: always, description: Whether packets of the whole MTU get through undivided.}
throughput:
  type: dict
  returned: always
  description:
    - mbits that arrived (none if it could not be measured), retransmits, percent of a core that sender and receiver
      used, percent of all cores of this host that anything used meanwhile, and error in words.
"""

_PING_EVERY_S = 0.05
_ICMP_HEADERS = 28
# The server is being started meanwhile.
_CONNECT_WITHIN_S = 5
_GRACE_S = 10


def round_trip(told: str, sent: int) -> dict[str, Any]:
    """Median and worst round trip in ms from what ping says of each packet."""
    times = [float(found) for found in re.findall(r"\btime=([\d.]+) ms", told)]
    return {
        "sent": sent,
        "answered": len(times),
        "median_ms": round(statistics.median(times), 3) if times else None,
        "worst_ms": max(times, default=None),
    }


def throughput(told: str) -> dict[str, Any]:
    """What iperf3's JSON says, in Mbit/s that arrived and percent of a core."""
    try:
        report = json.loads(told)
    except ValueError:
        report = {"error": " ".join(told.split()) or "iperf3 said nothing"}
    end = report.get("end") or {}
    received = (end.get("sum_received") or {}).get("bits_per_second")
    processor = end.get("cpu_utilization_percent") or {}
    return {
        "mbits": None if report.get("error") or received is None else round(received / 1e6, 1),
        "retransmits": (end.get("sum_sent") or {}).get("retransmits"),
        "sender_cpu": processor.get("host_total"),
        "receiver_cpu": processor.get("remote_total"),
        "error": report.get("error", ""),
    }


def busy_percent(before: str, after: str) -> float | None:
    """Percent of all cores that was used between two looks at /proc/stat; None if no time has passed."""
    # user, nice, system, idle, iowait, irq, softirq and steal; what follows is in them already.
    first, second = ([int(word) for word in text.splitlines()[0].split()[1:9]] for text in (before, after))
    spent = [late - early for early, late in zip(first, second, strict=True)]
    return round(100 * (1 - (spent[3] + spent[4]) / sum(spent)), 1) if sum(spent) > 0 else None


def _said(command: list[str], within_s: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout or done.stderr


def _send(command: list[str], seconds: int) -> dict[str, Any]:
    until = time.monotonic() + _CONNECT_WITHIN_S
    while True:
        result = throughput(_said(command, seconds + _GRACE_S))
        if "refused" not in result["error"] or time.monotonic() > until:
            return result
        time.sleep(0.2)


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "target": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5201},
            "pings": {"type": "int", "default": 20},
            "seconds": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    given = module.params
    source, target = given["source"], given["target"]
    reader = HostReader()
    mtu = reader.number(f"/sys/class/net/{interface_of(reader, source)}/mtu")
    if mtu is None:
        module.fail_json(msg=f"{source} is on no interface of this host")
    ping = [module.get_bin_path("ping", required=True), "-n", "-I", source]
    every = ["-c", str(given["pings"]), "-i", str(_PING_EVERY_S), "-W", "1"]
    pinged = _said([*ping, *every, target], given["pings"] * _PING_EVERY_S + _GRACE_S)
    undivided = ["-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", str(mtu - _ICMP_HEADERS)]
    large = _said([*ping, *undivided, target], _GRACE_S)
    iperf3 = [module.get_bin_path("iperf3", required=True), "--json", "--client", target, "--bind", source]
    limits = ["--port", str(given["port"]), "--time", str(given["seconds"]), "--connect-timeout", "2000"]
    before = reader.text("/proc/stat") or ""
    measured = _send([*iperf3, *limits], given["seconds"])
    measured["host_cpu"] = busy_percent(before, reader.text("/proc/stat") or "")
    module.exit_json(
        changed=False,
        round_trip=round_trip(pinged, given["pings"]),
        large_packets=round_trip(large, 3)["answered"] > 0,
        throughput=measured,
    )


if __name__ == "__main__":
    main()
