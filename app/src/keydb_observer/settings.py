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
    """``nodes`` and ``keys`` are never empty; the first node is preferred. ``interval`` and ``timeout`` are seconds.

    Without a ``write_node`` writes go to the node that is read from. ``keys`` of a listener may be patterns; it logs a
    line for each event ``lines_up_to`` a rate in events/s. ``metrics`` is where figures are served (host, port).
    """

    nodes: tuple[Node, ...]
    write_node: Node | None
    name: str
    keys: tuple[str, ...]
    timeout: float
    interval: float
    mode: Mode | None
    lines_up_to: float
    metrics: tuple[str, int] | None
    as_json: bool
    credentials: Credentials | None
    tls: Tls | None

    @property
    def read_node(self) -> Node:
        """Where keys are read and events are seen."""
        return self.nodes[0]

    @property
    def key(self) -> str:
        """The first key, which is the only one of a writer."""
        return self.keys[0]
