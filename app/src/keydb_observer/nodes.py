"""Where a node is: its name and its address."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keydb_observer.messages import NAME_ALLOWED, NAME_PATTERN

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/=]+):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535


@dataclass(frozen=True)
class Node:
    """A server, called by ``name`` in tables and handshake keys."""

    name: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.address if self.name == self.address else f"{self.name} ({self.address})"

    @classmethod
    def parse(cls, text: str) -> Node:
        """``NAME=HOST:PORT``, or ``HOST:PORT``, which is then its own name. Raises ValueError with the reason."""
        name, separator, address = text.rpartition("=")
        if separator and not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"{name!r} is no name: {NAME_ALLOWED}")
        match = _ADDRESS.fullmatch(address)
        if not match:
            raise ValueError("it is not HOST:PORT")
        port = int(match["port"])
        if not 1 <= port <= _LAST_PORT:
            raise ValueError("the port is out of range")
        return cls(name or address, match["host"].strip("[]"), port)
