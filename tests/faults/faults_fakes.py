"""A host that only notes what it is told, and clusters of several sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keydb_faults.cluster import Cluster
from keydb_faults.host import CommandError, Host

CONTAINER = "systemd-detect-virt"


@dataclass(frozen=True)
class FakeHost(Host):
    """``answers``: what a command prints, by its beginning; None if it fails. ``commands`` are those that were run."""

    answers: dict[str, str | None] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    lacks: tuple[str, ...] = ()

    def run(self, *command: str, told: str = "", within_s: float = 0) -> str:  # noqa: ARG002 - as the base has it
        words = " ".join(command)
        self.commands.append(words)
        self.told.append(told)
        answer: str | None = ""
        for beginning, each in self.answers.items():
            if words.startswith(beginning):
                answer = each
        if answer is None:
            raise CommandError(f"{command[0]}: no")
        return answer

    def has(self, program: str) -> bool:
        return program not in self.lacks


def fake_host(directory: Path, *, container: bool = False, **more: Any) -> FakeHost:
    """A host whose files are all in a directory."""
    for name in ("state", "data/keydb", "tls", "storm"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    answers = {CONTAINER: "" if container else None, **more.pop("answers", {})}
    given: dict[str, Any] = {
        "name": "node1",
        "address": "10.77.0.11",
        "port": 6379,
        "service": "keydb-server.service",
        "data_dir": str(directory / "data" / "keydb"),
        "tls_dir": str(directory / "tls"),
        "observer": "/usr/local/bin/keydb-observer",
        "observer_tls_dir": "/etc/keydb-observer/tls",
        "password_file": "/etc/keydb-observer/credentials/storm",
        "storm_dir": str(directory / "storm"),
        "storm_unit": "keydb-faults-storm.service",
        "journal_unit": "keydb-faults-journal.service",
        "state": directory / "state",
        "answers": answers,
    }
    return FakeHost(**(given | more))


def cluster_of(count: int, *, observed: bool = True) -> Cluster:
    """So many nodes, as the lab has them."""
    roles = {1: ["writer"], 2: ["listener-sync"], 3: ["listener-async"]} if observed else {}
    return Cluster.of(
        {
            f"node{number}": {"address": f"10.77.0.{10 + number}", "roles": ["keydb", *roles.get(number, [])]}
            for number in range(1, count + 1)
        }
    )
