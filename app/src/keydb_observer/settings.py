"""What a run of the program was told, complete and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keydb_observer.messages import Mode
from keydb_observer.nodes import Node


@dataclass(frozen=True)
class Credentials:
    """The password itself stays in its file until a connection needs it. No username means the default user."""

    username: str | None
    password_file: Path


@dataclass(frozen=True)
class Tls:
    """PEM files. Without ``ca`` the system's certificate authorities are trusted."""

    ca: Path | None
    certificate: Path | None
    key: Path | None


@dataclass(frozen=True)
class Settings:
    """``nodes`` is never empty; the first is read from and subscribed to. ``interval`` and ``timeout`` are seconds."""

    nodes: tuple[Node, ...]
    write_node: Node
    name: str
    key: str
    timeout: float
    interval: float
    mode: Mode | None
    as_json: bool
    credentials: Credentials | None
    tls: Tls | None

    @property
    def read_node(self) -> Node:
        """Where keys are read and events are seen."""
        return self.nodes[0]
