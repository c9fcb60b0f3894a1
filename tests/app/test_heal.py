"""Healing without an operator: when it looks, what it says, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from app_harness import Server, StartServer, free_port, run_program
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.heal import Healer, Memory
from keydb_observer.heal_settings import HealSettings
from keydb_observer.resolution import resolve_heal

Heal = Callable[..., list[str]]


@pytest.fixture
def pair(start_server: StartServer) -> list[Server]:
    """Two servers that know nothing of each other."""
    return [start_server(), start_server()]


@pytest.fixture
def heal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Heal:
    """Heals once, and returns what it said."""

    def run(*addresses: str, share: float = 0.1, now: float | None = None) -> list[str]:
        given = {"node": [f"node{n + 1}={address}" for n, address in enumerate(addresses)], "state": str(tmp_path)}
        settings, _, _ = resolve_heal({**given, "name": "test", "timeout": "1"}, {})
        logger = logging.getLogger("healing test")
        caplog.clear()
        with caplog.at_level(logging.INFO, logger.name):
            healer = Healer(
                HealSettings(tmp_path, share=share),
                AuditSettings(settle=0.1),
                settings,
                logger,
                time.time if now is None else lambda: now,
            )
            asyncio.run(healer.run())
        assert all(record.levelno == logging.WARNING for record in caplog.records), "less does not reach the journal"
        return caplog.messages

    return run


def test_it_repairs_and_says_so_in_one_line_and_is_silent_afterwards(
    pair: list[Server], heal: Heal, tmp_path: Path
) -> None:
    addresses = [server.address for server in pair]
    pair[0].admin().set("here", "x")
    pair[0].admin().set("key", "of node1")
    pair[1].admin().set("key", "of node2")
    (said,) = heal(*addresses)
    assert re.fullmatch(r"healing: 2 keys repaired \(presence 1, value 1\); undo file: \S+/undo-\w+\.jsonl", said), said
    assert pair[1].admin().get("here") == b"x"
    (undo,) = tmp_path.glob("undo-*")
    assert str(undo) in said
    assert heal(*addresses) == []
    assert list(tmp_path.glob("undo-*")) == [undo]
    # For those who count: it goes on from there.
    pair[0].admin().set("another", "x")
    heal(*addresses, now=time.time() + 3600)
    memory = Memory.read(tmp_path / "last.json")
    assert (memory.repaired, memory.left) == (3, 0)


def test_a_node_that_is_away_is_said_once_and_nothing_repaired_around_it(pair: list[Server], heal: Heal) -> None:
    away = f"127.0.0.1:{free_port()}"
    pair[0].admin().set("key", "x")
    addresses = [pair[0].address, pair[1].address, away]
    assert heal(*addresses) == [
        f"healing waits: node3 ({away}): it refuses connections: nothing listens there",
    ]
    assert heal(*addresses) == []
    assert pair[1].admin().get("key") is None
    healed = heal(*addresses[:2])
    assert [said.partition(" all nodes")[0] for said in healed] == ["healing goes on:", healed[1]]
    assert "1 key repaired (presence 1)" in healed[1]


def test_between_audits_it_looks_at_no_key_until_a_node_was_started(pair: list[Server], heal: Heal) -> None:
    addresses = [server.address for server in pair]
    assert heal(*addresses) == []
    pair[0].admin().set("key", "x")
    # The last audit took more than nothing, so an hour has not passed by far.
    assert heal(*addresses, share=1e-9) == []
    assert pair[1].admin().get("key") is None
    pair[1].kill()
    pair[1].start()
    (said,) = heal(*addresses, share=1e-9)
    assert "1 key repaired" in said


def test_old_undo_files_are_removed(pair: list[Server], heal: Heal, tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in ("undo-1.jsonl", "undo-2.jsonl", "notes"))
    for path, age_days in ((old, 31), (young, 29), (other, 31)):
        path.write_text("")
        os.utime(path, (time.time() - age_days * 86_400,) * 2)
    heal(*(server.address for server in pair))
    assert [path.exists() for path in (old, young, other)] == [False, True, True]


def test_memory_that_was_spoiled_is_none(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    for spoiled in ("", "[]", "{}", '{"history": 1}', '{"history": [], "what": 1}'):
        path.write_text(spoiled)
        assert Memory.read(path) == Memory()
    known = Memory(("a 1 2 3",), 5.0, 0.5, "away", 4.0, 7, 2)
    known.write(path)
    assert Memory.read(path) == known
    assert json.loads(path.read_text())["history"] == ["a 1 2 3"]


def test_when_an_audit_is_due() -> None:
    memory = Memory(("same",), audited_s=1000.0, took_s=2.0)
    assert not memory.is_audit_due(("same",), 0.1, 1019.0)
    assert memory.is_audit_due(("same",), 0.1, 1020.0)
    assert memory.is_audit_due(("another",), 0.1, 1001.0)
    assert memory.is_audit_due(("same",), 0.1, 999.0)
    assert Memory().is_audit_due(("same",), 0.1, 1000.0)


def test_the_command(pair: list[Server], tmp_path: Path) -> None:
    nodes = [argument for server in pair for argument in ("--node", server.address)]
    told = run_program("heal", *nodes)
    assert told.returncode == 2
    assert "--state: not given" in told.stderr
    pair[0].admin().set("key", "x")
    told = run_program("heal", *nodes, "--state", str(tmp_path), "--settle", "0.1")
    assert (told.returncode, told.stdout) == (0, "")
    assert "healing: 1 key repaired (presence 1); undo file: " in told.stderr
    assert pair[1].admin().get("key") == b"x"
