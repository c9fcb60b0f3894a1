"""What a listener makes of a value: the exact line, its journald fields, the figures and the handshake."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from keydb_observer.journal import JournalHandler, fields, set_up_logging
from keydb_observer.listener import Listener
from keydb_observer.messages import Mode, SharedValue, WokenBy
from keydb_observer.node_facts import Link, NodeFacts
from keydb_observer.resolution import resolve
from logging_journald import JournaldTransport

T1 = 1_725_543_675_123_456_789
SETTINGS = resolve("listen", {"mode": "sync", "name": "node2"}, {})


@pytest.fixture
def listener(caplog: pytest.LogCaptureFixture) -> Listener:
    caplog.set_level(logging.INFO)
    return Listener(Mode.SYNC, SETTINGS, logging.getLogger("test"), now_ns=lambda: T1 + 900_000)


def value(seq: int) -> bytes:
    return SharedValue("node1", 7, seq, T1).encode()


def test_the_line_and_its_fields(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    handshake = listener.react(value(42), WokenBy.EVENT, T1 + 512_000)
    assert caplog.messages == [
        "listener-sync read shared_key: writer timestamp 1725543675.123456789 seq 42, Time difference: 0.000512 seconds"
    ]
    found: dict[str, Any] = caplog.records[0].__dict__["observer_fields"]
    assert found == {
        "OBSERVER_LISTENER": "listener-sync",
        "OBSERVER_KEY": "shared_key",
        "OBSERVER_WRITER": "node1",
        "OBSERVER_EPOCH": 7,
        "OBSERVER_SEQ": 42,
        "OBSERVER_T1_NS": T1,
        "OBSERVER_T2_NS": T1 + 512_000,
        "OBSERVER_DIFFERENCE_NS": 512_000,
        "OBSERVER_MISSED": 0,
    }
    assert handshake
    assert (handshake.listener, handshake.host, handshake.writer) == ("listener-sync", "node2", "node1")
    assert (handshake.t1_ns, handshake.t2_ns, handshake.t3_ns) == (T1, T1 + 512_000, T1 + 900_000)
    assert handshake.woken_by is WokenBy.EVENT
    assert (handshake.stats.count, handshake.stats.missed, handshake.stats.p50_ns) == (1, 0, 512_000)
    assert listener.channel == "__keyspace@0__:shared_key"
    assert listener.handshake_key == "handshake:node2:sync"


def test_a_found_value_has_a_handshake_but_no_difference(listener: Listener) -> None:
    handshake = listener.react(value(42), WokenBy.SUBSCRIPTION, T1 + 5_000_000_000)
    assert handshake
    assert handshake.woken_by is WokenBy.SUBSCRIPTION
    assert (handshake.stats.count, handshake.stats.p50_ns) == (0, None)


def test_repeats_and_late_values_are_neither_answered_nor_counted(listener: Listener) -> None:
    listener.react(value(42), WokenBy.EVENT, T1 + 1)
    assert listener.react(value(42), WokenBy.EVENT, T1 + 2) is None
    assert listener.react(value(41), WokenBy.EVENT, T1 + 3) is None
    assert listener.react(value(41), WokenBy.SUBSCRIPTION, T1 + 4) is None
    handshake = listener.react(value(45), WokenBy.EVENT, T1 + 5)
    assert handshake
    assert (handshake.stats.count, handshake.stats.missed, handshake.stats.max_ns) == (2, 2, 5)


def test_states_of_the_key(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    for raw in (None, None, b"garbage", b"[]", value(1)):
        listener.react(raw, WokenBy.EVENT, T1)
    assert [message.split(" after ")[0] for message in caplog.messages] == [
        "listener-sync: shared_key: there is no such key; waiting for a write",
        "listener-sync: shared_key: it holds a foreign value (it is not JSON); passing over it",
        "listener-sync: shared_key: a value again",
        "listener-sync read shared_key: writer timestamp 1725543675.123456789 seq 1, Time difference: 0.000000 seconds",
    ]


def test_journal_gets_the_fields_under_their_names(tmp_path: Path) -> None:
    """A datagram of NAME=value lines: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.settimeout(5)
        handler = JournalHandler("observer-writer", JournaldTransport(path, connected=False))
        record = logging.LogRecord("n", logging.WARNING, __file__, 1, "seq %d", (42,), None)
        record.__dict__.update(fields(seq=42, writer="node1", missed=None))
        handler.emit(record)
        assert journal.recv(4096).decode().splitlines() == [
            "MESSAGE=seq 42",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=observer-writer",
            "OBSERVER_SEQ=42",
            "OBSERVER_WRITER=node1",
        ]


def test_line_is_not_lost_without_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = JournalHandler("observer-writer", JournaldTransport(tmp_path / "nobody", connected=False))
    handler.emit(logging.LogRecord("n", logging.INFO, __file__, 1, "seq %d", (42,), None))
    assert capsys.readouterr().err == "seq 42\n"


@pytest.mark.parametrize("stream", [None, "1:1", "garbage"])
def test_plain_lines_where_standard_error_is_not_the_journal(
    stream: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if stream:
        monkeypatch.setenv("JOURNAL_STREAM", stream)
    set_up_logging("observer-writer").info("seq %d", 42, extra=fields(seq=42))
    assert capsys.readouterr().err == "seq 42\n"


def test_journal_where_standard_error_is_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        about = os.fstat(stderr.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino}")
        handlers = set_up_logging("observer-writer").handlers
    assert [type(handler) for handler in handlers] == [JournalHandler]


KEYDB_INFO = {
    "redis_version": "6.3.4",
    "storage_provider": "none",
    "loading": 0,
    "role": "active-replica",
    "master_global_link_status": "down",
    "master_host": "10.77.0.2",
    "master_port": 6379,
    "master_link_status": "up",
    "master_1_host": "10.77.0.3",
    "master_1_port": 6379,
    "master_1_link_status": "down",
    "slave0": {"ip": "10.77.0.2", "port": 6379, "state": "online"},
}


def test_facts_of_an_active_replica() -> None:
    facts = NodeFacts.from_info(KEYDB_INFO, 3)
    assert (facts.engine, facts.version, facts.role) == ("KeyDB", "6.3.4", "active replica")
    assert facts.links == (Link("10.77.0.2:6379", True), Link("10.77.0.3:6379", False))
    assert (facts.links_up, facts.links_expected) == (1, 2)


def test_facts_of_a_valkey_primary_and_replica() -> None:
    engine = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1", "loading": 0}
    primary = NodeFacts.from_info(
        {
            **engine,
            "role": "master",
            "slave0": {"ip": "10.77.0.2", "port": 6379, "state": "online"},
            "slave1": {"ip": "10.77.0.3", "port": 6379, "state": "wait_bgsave"},
        },
        3,
    )
    assert (primary.engine, primary.version, primary.role) == ("Valkey", "8.0.1", "primary")
    assert (primary.links_up, primary.links_expected) == (1, 2)
    replica = NodeFacts.from_info(
        {**engine, "role": "slave", "master_host": "10.77.0.1", "master_port": 6379, "master_link_status": "down"}, 3
    )
    assert (replica.role, replica.links_up, replica.links_expected) == ("replica", 0, 1)
    assert replica.links == (Link("10.77.0.1:6379", False),)
