"""What the observers are told."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Inventory
from .problem import Problem, shown

_HANDSHAKE = "handshake:"


def key_problems(inventory: Inventory) -> Iterator[Problem]:
    """The shared key is one word, and no listener's handshake key."""
    name = "observers_key"
    for host, key in inventory.values(name):
        text = str(key)
        if not text or any(letter.isspace() or not letter.isprintable() for letter in text):
            yield Problem(name, host, shown(key), "one word without spaces", "is empty or has a space in it")
        elif text.startswith(_HANDSHAKE):
            yield Problem(name, host, shown(key), f"a key that does not start with {_HANDSHAKE}", "is a handshake key")
        elif any(letter in "*?[]\\" for letter in text):
            allowed = "a key without * ? [ ] and \\"
            yield Problem(name, host, shown(key), allowed, "would be a pattern in the ACL file")


RULES = (key_problems,)
