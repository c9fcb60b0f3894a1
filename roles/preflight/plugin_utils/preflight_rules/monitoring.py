"""Who collects everybody's figures, and at which ports they are had."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import MONITORING, NODES, Inventory
from .problem import Problem, shown

_EXPORTERS = ("monitoring_node_exporter_port", "monitoring_engine_exporter_port")
_PORTS = (*_EXPORTERS, "monitoring_prometheus_port")
_ALERTMANAGER = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}")


def membership_problems(inventory: Inventory) -> Iterator[Problem]:
    """Who scrapes shows a certificate of the cluster's own, and only nodes are given one."""
    for host in inventory.members(MONITORING):
        if host not in inventory.nodes:
            yield Problem(MONITORING, host, host, f"hosts of {NODES}", f"is not in {NODES}, it gets no certificate")


def port_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each of the ports is one that nothing else of ours has."""
    for host, enabled in inventory.values("monitoring_enabled"):
        if not enabled:
            continue
        taken = {
            str(inventory.get(host, "ansible_port", 22)): "is the port of SSH (ansible_port)",
            str(inventory.get(host, "keydb_port")): "is the engine's port (keydb_port)",
        }
        for observer, port in (inventory.get(host, "observers_metrics_ports") or {}).items():
            taken.setdefault(str(port), f"is a port of the observers (observers_metrics_ports.{observer})")
        for name in _PORTS:
            port = inventory.get(host, name)
            if port is None:
                continue
            if str(port) in taken:
                yield Problem(name, host, shown(port), "a port of its own", taken[str(port)])
            taken.setdefault(str(port), f"is {name} too")


def alertmanager_problems(inventory: Inventory) -> Iterator[Problem]:
    """An Alertmanager has a host and a port."""
    name = "monitoring_alertmanagers"
    for host, given in inventory.values(name):
        for index, each in enumerate(given):
            if not _ALERTMANAGER.fullmatch(str(each)):
                yield Problem(f"{name}[{index}]", host, shown(each), "HOST:PORT", "is no host with a port")


RULES = (membership_problems, port_problems, alertmanager_problems)
