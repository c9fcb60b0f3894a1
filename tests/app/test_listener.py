"""What a listener makes of its readings: the exact lines, their journald fields, the figures and the handshakes."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from keydb_observer.changes import Change
from keydb_observer.journal import JournalHandler, fields, set_up_logging
from keydb_observer.listener import Listener
from keydb_observer.messages import Counts, Handshake, Mode, Report, SharedValue, WokenBy
from keydb_observer.node_facts import Link, NodeFacts
from keydb_observer.resolution import resolve
from keydb_observer.stream import Instant
from keydb_observer.trouble import SlowConsumerError
from logging_journald import JournaldTransport

T1 = 1_725_543_675_123_456_789
CHANNEL = b"__keyspace@0__:shared_key"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A listener with its clocks in the test's hands."""

    def __init__(self, *keys: str, lines_up_to: float = 1000, error_ns: int | None = None) -> None:
        options: dict[str, object] = {"mode": "sync", "name": "node2", "lines-up-to": lines_up_to}
        settings = resolve("listen", options | ({"key": list(keys)} if keys else {}), {})
        self.clock = Clock()
        self.listener = Listener(Mode.SYNC, settings, logging.getLogger("test"), lambda: error_ns, self.clock)
        self.figures = self.listener.figures
        self.listener.connected("node2", is_home=True)

    @property
    def counts(self) -> Counts:
        return self.figures.counts

    def event(self, after_ns: int, channel: bytes = CHANNEL) -> None:
        self.listener.inbox.note(channel, Instant(T1 + after_ns, after_ns))

    def read(self, *values: bytes | None) -> list[Change]:
        assert self.listener.inbox.next_command()
        return self.listener.take(list(values))

    def see(self, value: bytes | None, after_ns: int, events: int = 1) -> Change:
        """Events, the last of them so long after T1, and a reading."""
        for _ in range(events):
            self.event(after_ns)
        (change,) = self.read(value)
        return change

    def handshake(self, change: Change) -> Handshake | None:
        command = self.listener.answers_to([change])
        if command is None:
            return None
        name, key, handshake = command
        assert (name, key) == ("MSET", "handshake:node2:sync")
        assert isinstance(handshake, bytes)
        return Handshake.parse(handshake)


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Desk:
    caplog.set_level(logging.INFO)
    return Desk()


def value(seq: int, *, epoch: int = 7, error_ns: int | None = None, before: int = 0) -> bytes:
    return SharedValue("node1", epoch, seq, T1, error_ns, before).encode()


def test_the_line_and_its_fields(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert desk.listener.inbox.next_command() == ("MGET", b"shared_key")
    desk.event(512_000)
    (change,) = desk.listener.take([value(42)])
    (line,) = caplog.messages
    assert line.startswith(
        "listener-sync read shared_key: writer timestamp 1725543675.123456789 seq 42, Time difference: 0.000512 seconds"
    )
    assert line.endswith(" seconds, clock error unknown")
    found: dict[str, Any] = caplog.records[0].__dict__["observer_fields"]
    assert found.pop("OBSERVER_VALUE_DIFFERENCE_NS") == change.value_difference_ns
    assert found == {
        "OBSERVER_LISTENER": "listener-sync",
        "OBSERVER_KEY": "shared_key",
        "OBSERVER_WRITER": "node1",
        "OBSERVER_EPOCH": 7,
        "OBSERVER_SEQ": 42,
        "OBSERVER_T1_NS": T1,
        "OBSERVER_T2_NS": T1 + 512_000,
        "OBSERVER_DIFFERENCE_NS": 512_000,
        "OBSERVER_CLOCK_ERROR_NS": "unknown",
        "OBSERVER_WITHIN_CLOCK_ERROR": 0,
    }
    handshake = desk.handshake(change)
    assert handshake
    assert (handshake.listener, handshake.host, handshake.writer) == ("listener-sync", "node2", "node1")
    assert (handshake.key, handshake.epoch, handshake.seq) == ("shared_key", 7, 42)
    assert (handshake.t1_ns, handshake.t2_ns) == (T1, T1 + 512_000)
    assert handshake.woken_by is WokenBy.EVENT
    assert desk.figures.differences.run().p50_ns == pytest.approx(512_000, rel=0.001)


@pytest.mark.parametrize(
    ("writer_ns", "own_ns", "difference_ns", "text"),
    [
        (None, None, 512_000, "clock error unknown"),
        (1_000, None, 512_000, "clock error unknown"),
        (300_000, 200_000, 512_000, "clock error 0.000500 seconds"),
        (300_000, 300_000, 512_000, "clock error 0.000600 seconds, below the clock error"),
        (300_000, 300_000, -700_000, "clock error 0.000600 seconds, negative: the clocks disagree"),
        (None, None, -1_000, "clock error unknown, negative: the clocks disagree"),
    ],
)
def test_a_difference_that_clocks_do_not_bear_out_is_marked(
    writer_ns: int | None, own_ns: int | None, difference_ns: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk(error_ns=own_ns)
    desk.see(value(1, error_ns=writer_ns), difference_ns)
    assert caplog.messages[-1].endswith(f"seconds, {text}")
    is_marked = "below" in text or "negative" in text
    assert caplog.records[-1].__dict__["observer_fields"]["OBSERVER_WITHIN_CLOCK_ERROR"] == int(is_marked)
    assert desk.figures.differences.negative == (difference_ns < 0)


def test_a_found_value_has_a_handshake_but_no_difference(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    (change,) = desk.read(value(42))
    assert caplog.messages[0].startswith(
        "listener-sync found on subscribing shared_key: writer timestamp 1725543675.12"
    )
    handshake = desk.handshake(change)
    assert handshake
    assert handshake.woken_by is WokenBy.SUBSCRIPTION
    assert (desk.counts.read, desk.counts.found, desk.figures.differences.run().count) == (1, 1, 0)


def test_known_writes_are_said_and_not_answered(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.see(value(42), 1)
    assert desk.handshake(desk.see(value(42), 2)) is None
    assert desk.handshake(desk.see(value(41), 3)) is None
    assert caplog.messages[1:] == [
        "listener-sync read shared_key seq 42 repeated",
        "listener-sync read shared_key seq 41 reordered: after a later write",
    ]
    assert desk.counts == Counts(events=3, read=1, repeated=1, reordered=1)


def test_what_was_not_read_is_said_by_its_name(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.see(value(1), 1)
    desk.see(value(4), 1, events=3)
    desk.see(value(7), 1)
    desk.see(value(11), 1, events=2)
    desk.see(value(2, epoch=8, before=13), 1)
    assert [message for message in caplog.messages if " read " not in message] == [
        "listener-sync superseded 2 of shared_key: seq 2 to 3",
        "listener-sync missed 2 of shared_key: seq 5 to 6",
        "listener-sync missed 2 of shared_key: of seq 8 to 10",
        "listener-sync superseded 1 of shared_key: of seq 8 to 10",
        "listener-sync follows a new epoch of shared_key: writer node1 epoch 8, from seq 2 on",
        "listener-sync missed 3 of shared_key: seq 1 to 1 and 2 at the end of the epoch before",
    ]
    assert desk.counts.written == 13 + 2


def test_states_of_the_key(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    foreign = "listener-sync: shared_key: it holds a foreign value (JSON is malformed: invalid character (byte 0))"
    for raw in (None, None, b"garbage", b"[]", value(1)):
        change = desk.see(raw, 0)
    assert [message.split(" after ")[0].split(", Time")[0] for message in caplog.messages] == [
        "listener-sync: shared_key: there is no such key, or it holds no string; waiting",
        f"{foreign}; passing over it",
        "listener-sync: shared_key: a value again",
        "listener-sync read shared_key: writer timestamp 1725543675.123456789 seq 1",
    ]
    assert desk.counts.foreign == 2
    assert change.foreign is None


def test_a_foreign_value_is_handed_on_with_the_reason(desk: Desk) -> None:
    change = desk.see(b"{}", 1)
    assert (change.raw, change.value, change.foreign) == (
        b"{}",
        None,
        "it holds a foreign value (Object missing required field `writer`); passing over it",
    )


def test_a_reconnection_reads_everything_again_and_says_what_it_cost(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.see(value(1), 1)
    desk.event(2)
    desk.listener.disconnected(None, desk.clock.now)
    desk.clock.now += 1.5
    desk.listener.connected("node3", is_home=False)
    assert (desk.figures.node, desk.figures.is_home) == ("node3", False)
    (change,) = desk.read(value(5))
    assert change.seen is None, "an event from before tells no time of what was read now"
    assert caplog.messages[-1] == (
        "listener-sync was blind for 1.500 seconds, and has read 1 key again at node3: missed 2, superseded 1"
    )
    assert (desk.figures.reconnects, desk.figures.resyncs, desk.figures.blind_s) == (1, 1, 1.5)
    # The event of before the loss belongs to a write that was never read.
    assert desk.counts == Counts(events=2, read=2, found=1, superseded=1, missed=2)


def test_blindness_lasts_until_everything_could_be_read(desk: Desk) -> None:
    desk.see(value(1), 1)
    desk.listener.disconnected(None, desk.clock.now)
    for _ in range(2):
        desk.clock.now += 1
        desk.listener.connected("node2", is_home=True)
        desk.listener.disconnected(SlowConsumerError("x"), desk.clock.now)
    assert desk.figures.slow_consumer_disconnects == 2
    assert desk.figures.resyncs == 0
    desk.listener.connected("node2", is_home=True)
    desk.read(value(1))
    assert desk.figures.resyncs == 1


def test_several_keys_and_patterns_have_answers_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk("shared_key", "load:*")
    desk.event(1, b"__keyspace@0__:load:\n\xff")
    command = desk.listener.inbox.next_command()
    assert command == ("MGET", b"shared_key", b"load:\n\xff")
    changes = desk.listener.take([value(1), value(9)])
    assert [change.key for change in changes] == ["shared_key", r"load:\n\\xff"]
    answers = desk.listener.answers_to(changes)
    assert answers
    assert answers[1::2] == ("handshake:node2:sync:shared_key", r"handshake:node2:sync:load:\n\\xff")
    assert all("\n" not in message for message in caplog.messages)


def test_high_rates_are_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk(lines_up_to=2)
    desk.listener.tick()
    for seq in range(1, 6):
        desk.see(value(seq), 1_000 * seq)
    assert len(caplog.messages) == 2, "no more lines than it may"
    desk.clock.now += 1
    desk.listener.tick()
    desk.clock.now += 1
    desk.see(value(10), 9_000, events=2)
    desk.listener.tick()
    assert caplog.messages[2:] == [
        "listener-sync: more than 2 events per second: one line a second from here on",
        (
            "listener-sync in 1.0 seconds: 5 events of 1 keys, 5 read, 0 superseded, 0 missed, 0 repeated, "
            "0 reordered, 0 foreign; Time difference "
            "p50 0.000003 p90 0.000005 p99 0.000005 p99.9 0.000005 max 0.000005 seconds"
        ),
        (
            "listener-sync in 1.0 seconds: 2 events of 1 keys, 1 read, 1 superseded, 3 missed, 0 repeated, "
            "0 reordered, 0 foreign; Time difference "
            "p50 0.000009 p90 0.000009 p99 0.000009 p99.9 0.000009 max 0.000009 seconds"
        ),
    ]
    assert caplog.records[-1].levelno == logging.WARNING, "it missed some"
    for _ in range(4):
        desk.clock.now += 1
        desk.listener.tick()
    assert caplog.messages[-1] == "listener-sync: less than half of 2 events per second: a line for each event again"
    desk.see(value(11), 1)
    assert " read shared_key: " in caplog.messages[-1]


def test_each_minute_has_a_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.see(value(1), 512_000)
    desk.clock.now += 60
    desk.listener.tick()
    assert caplog.messages[-1].startswith("listener-sync last minute: 1 differences, p50 0.000512 p90 0.000512 p99")
    assert "; whole run: 1 differences, p50 0.000512" in caplog.messages[-1]
    desk.listener.tick()
    assert len(caplog.messages) == 2


def test_figures_are_reported_when_they_change_and_now_and_then(desk: Desk) -> None:
    desk.see(value(1), 512_000)
    command = desk.listener.tick()
    assert command
    assert command[:2] == ("SET", "observer:node2:sync")
    assert isinstance(command[2], bytes)
    report = Report.parse(command[2])
    assert (report.listener, report.host, report.node) == ("listener-sync", "node2", "node2")
    assert (report.counts.read, report.run.count, report.minute.count, report.error_ns) == (1, 1, 1, None)
    desk.clock.now += 1
    assert desk.listener.tick() is None
    desk.see(value(2), 512_000)
    assert desk.listener.tick()
    desk.clock.now += 5
    assert desk.listener.tick()


def test_its_figures_are_families_of_the_endpoint(desk: Desk) -> None:
    desk.see(value(1), 512_000)
    snapshot = desk.figures.snapshot()
    assert snapshot.labels == {"listener": "listener-sync", "host": "node2"}
    assert (snapshot.counters["writes_read"], snapshot.counters["events"]) == (1, 1)
    assert (snapshot.gauges["connected"], snapshot.gauges["clock_error_seconds"]) == (1.0, None)
    assert snapshot.histograms["event_difference_seconds"].count == 1


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
