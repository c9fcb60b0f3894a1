"""A host is left as it was: what a run has brought goes, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from keydb_bench import ending, units
from keydb_bench.host import CommandError, Host
from test_servers import HOST

BEFORE = ["libc6", "keydb-tools"]
ADDED = ["redis-server", "redis-tools"]


@dataclass(frozen=True)
class FakeHost(Host):
    """Notes commands; ``packages`` are installed, and ``fails`` is what one begins with that fails."""

    commands: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    fails: str = ""

    def has(self, program: str) -> bool:
        return program == "nft"

    def run(self, *command: str, told: str = "", within_s: float = 0) -> str:  # noqa: ARG002 - as the base has it
        words = " ".join(command)
        self.commands.append(words)
        if self.fails and self.fails in words:
            raise CommandError(f"{command[0]}: no")
        if command[0] == "dpkg-query":
            return "".join(f"ii  {name}\n" for name in self.packages) + "rc  gone\n"
        return ""


@pytest.fixture(name="places")
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    places = {name: tmp_path / name for name in ("units", "sources", "opt", "program", "state", "data")}
    for path in places.values():
        path.mkdir()
    # A listener's own directory is not of this machine.
    monkeypatch.setattr(ending, "forget", lambda _unit: None)
    monkeypatch.setattr(ending, "UNIT_DIR", places["units"])
    monkeypatch.setattr(ending, "SOURCES", places["sources"])
    monkeypatch.setattr(ending, "OPT", places["opt"])
    monkeypatch.setattr(ending, "PROGRAM", places["program"])
    return places


def host_in(places: dict[str, Path], **changes: Any) -> FakeHost:
    made = replace(HOST, state=str(places["state"]), data=str(places["data"]))
    return FakeHost(**vars(made), **({"packages": [*BEFORE]} | changes))


def brought(places: dict[str, Path]) -> None:
    (places["units"] / "redis-server.service").symlink_to("/dev/null")
    (places["sources"] / "debian-backports.sources").touch()
    (places["opt"] / "0123456789abcdef").mkdir()


def test_only_what_was_brought_is_removed(places: dict[str, Path]) -> None:
    (places["units"] / "keydb-sentinel.service").symlink_to("/dev/null")
    (places["sources"] / "debian.sources").touch()
    (places["opt"] / "the-clusters-own").mkdir()
    host = host_in(places)
    ending.note(host, {})
    brought(places)
    host.packages.extend(ADDED)
    assert ending.end(host, {}) == {"problems": []}
    purged = [words for words in host.commands if "purge" in words]
    assert len(purged) == 1
    assert purged[0].endswith("redis-server redis-tools")
    assert [path.name for path in places["units"].iterdir()] == ["keydb-sentinel.service"]
    assert [path.name for path in places["sources"].iterdir()] == ["debian.sources"]
    assert [path.name for path in places["opt"].iterdir()] == ["the-clusters-own"]
    assert not any(places[name].exists() for name in ("state", "data", "program"))
    assert all(any(unit in words for words in host.commands) for unit in units.ALL)


def test_where_nothing_was_installed_nothing_is_purged(places: dict[str, Path]) -> None:
    host = host_in(places)
    ending.note(host, {})
    ending.end(host, {})
    assert not any("purge" in words for words in host.commands)


def test_what_cannot_be_removed_is_said_and_stays_known(places: dict[str, Path]) -> None:
    host = host_in(places, fails="purge")
    ending.note(host, {})
    host.packages.extend(ADDED)
    assert "redis-server, redis-tools are still installed" in ending.end(host, {})["problems"][0]
    assert json.loads((places["state"] / "before.json").read_text("utf-8"))["packages"] == BEFORE
    assert places["program"].exists()


def test_an_end_before_anything_was_noted_is_one_too(places: dict[str, Path]) -> None:
    assert ending.end(host_in(places), {}) == {"problems": []}
    assert not places["state"].exists()


def test_ports_are_closed_to_all_but_the_cluster_and_the_end_is_in_sight(places: dict[str, Path]) -> None:
    host = host_in(places)
    ending.close(host, {"after_s": 900})
    assert any(words.startswith("nft") for words in host.commands)
    assert any("--on-active=900s" in words and words.endswith("run.py end") for words in host.commands)
