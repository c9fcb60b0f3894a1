"""What a contender is told on its command line."""

from __future__ import annotations

import argparse
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PREFIX = "load:"
CHANNEL_PREFIX = "__keyspace@0__:"
PATTERN = f"{CHANNEL_PREFIX}{PREFIX}*"


@dataclass(frozen=True)
class Job:
    """Where to listen, and to how many writes. ``ca`` is the authority to trust; without one there is no TLS."""

    port: int
    writes: int
    output: Path
    keeps_rows: bool
    ca: Path | None

    @property
    def arguments(self) -> list[str]:
        """To be parsed by ``parse``."""
        given = ["--port", str(self.port), "--writes", str(self.writes), "--output", str(self.output)]
        given += [] if self.keeps_rows else ["--no-rows"]
        return given + (["--ca", str(self.ca)] if self.ca else [])

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """The options."""
        parser.add_argument("--port", type=int, required=True)
        parser.add_argument("--writes", type=int, required=True)
        parser.add_argument("--output", type=Path, required=True)
        parser.add_argument("--no-rows", dest="keeps_rows", action="store_false")
        parser.add_argument("--ca", type=Path)

    @classmethod
    def parsed(cls, given: argparse.Namespace) -> Job:
        """From what those options were set to."""
        return cls(given.port, given.writes, given.output, given.keeps_rows, given.ca)

    @property
    def client_options(self) -> dict[str, Any]:
        """For redis-py's clients, blocking or not."""
        encrypted = {"ssl": True, "ssl_ca_certs": str(self.ca)} if self.ca else {}
        return {"host": HOST, "port": self.port, **encrypted}

    def tls_context(self) -> ssl.SSLContext | None:
        """For those who open their own connections."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None


def key_index(key: str) -> int:
    """Of ``load:12``, 12."""
    return int(key.removeprefix(PREFIX))
