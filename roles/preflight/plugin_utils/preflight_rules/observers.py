"""What the observers are told."""

from __future__ import annotations

from collections.abc import Iterator

from .limits import PORTS
from .model import Inventory
from .problem import Problem, one_of, shown

# What the listeners write: their answers to a write, and reports of their figures.
_OWN_KEYS = ("handshake:", "observer:")


def key_problems(inventory: Inventory) -> Iterator[Problem]:
    """The shared key is one word, and none that a listener writes."""
    name = "observers_key"
    for host, key in inventory.values(name):
        text = str(key)
        if not text or any(letter.isspace() or not letter.isprintable() for letter in text):
            yield Problem(name, host, shown(key), "one word without spaces", "is empty or has a space in it")
        elif text.startswith(_OWN_KEYS):
            allowed = f"a key that does not start with {one_of(_OWN_KEYS)}"
            yield Problem(name, host, shown(key), allowed, "is a key that listeners write")
        elif any(letter in "*?[]\\" for letter in text):
            allowed = "a key without * ? [ ] and \\"
            yield Problem(name, host, shown(key), allowed, "would be a pattern in the ACL file")


def metrics_port_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each port for figures is 0 or one that nothing else of ours has."""
    for host, ports in inventory.values("observers_metrics_ports"):
        taken = {
            str(inventory.get(host, "ansible_port", 22)): "is the port of SSH (ansible_port)",
            str(inventory.get(host, "keydb_port")): "is the engine's port (keydb_port)",
        }
        for observer, port in ports.items():
            name = f"observers_metrics_ports.{observer}"
            if port == 0:
                continue
            if port not in PORTS:
                yield Problem(name, host, shown(port), f"0 for none, or {PORTS}", "is out of range")
            elif str(port) in taken:
                yield Problem(name, host, shown(port), "a port of its own", taken[str(port)])
            taken.setdefault(str(port), f"is the port of {observer} too")


RULES = (key_problems, metrics_port_problems)
