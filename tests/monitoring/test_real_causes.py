"""Each alert with its real cause: real listeners, healings, certificates and recorded boards serve the figures."""

from __future__ import annotations

import datetime as dt
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import keydb_node_facts
import pytest
from app_harness import Program, Server, eventually, run_program, written
from host_reader import HostReader
from monitoring_alerts import Scrape, assert_firing
from monitoring_certificates import make_certificate
from monitoring_real import free_port, scraped
from prometheus_client.parser import text_string_to_metric_families

BOARDS = Path(__file__).resolve().parents[1] / "hardware" / "boards"
FUTURE = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=3650)


@pytest.fixture
def facts(tmp_path: Path) -> Scrape:
    """A certificate that is good for years: a node has always facts."""
    certificate = make_certificate(tmp_path / "good.crt", FUTURE)
    return node(keydb_node_facts.certificates(HostReader(), [str(certificate)]))


def node(families: object) -> Scrape:
    """What node exporter serves of these facts."""
    return Scrape(keydb_node_facts.rendered(families), "node", "node1", time.time())  # type: ignore[arg-type]


# --- observers ---


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    directory = tmp_path / "server"
    directory.mkdir()
    server = Server("redis", directory)
    server.start()
    yield server
    server.kill()


class Listening:
    """A real listener as a process, and what it serves."""

    def __init__(self, server: Server, mode: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/metrics"
        arguments = ["listen", "--mode", mode, "--node", f"here={server.address}", "--metrics", f"127.0.0.1:{port}"]
        self.program = Program(*arguments, "--timeout", "1")
        eventually(lambda: self.value("connected") == 1, "the listener is connected")

    def scrape(self) -> Scrape:
        return scraped(self.url, "observer", "node1")

    def value(self, name: str) -> float:
        samples = [each for family in text_string_to_metric_families(self.scrape().text) for each in family.samples]
        (value,) = [sample.value for sample in samples if sample.name == f"keydb_observer_{name}"]
        return value


@pytest.fixture(params=["sync", "async"])
def listening(server: Server, request: pytest.FixtureRequest) -> Iterator[Listening]:
    listening = Listening(server, request.param)
    yield listening
    listening.program.process.send_signal(signal.SIGCONT)
    listening.program.end()


def test_writes_that_a_listener_missed(rules: Path, server: Server, listening: Listening) -> None:
    """Its subscription is cut while it hangs, and writes go on meanwhile."""
    client = server.admin()
    client.set("shared_key", written(1))
    eventually(lambda: listening.value("writes_read_total") == 1, "the first write is read")
    before = listening.scrape()
    listening.program.process.send_signal(signal.SIGSTOP)
    client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    for seq in range(2, 6):
        client.set("shared_key", written(seq))
    listening.program.process.send_signal(signal.SIGCONT)
    eventually(lambda: listening.value("writes_read_total") == 2, "the last write is read")
    after = listening.scrape()
    assert listening.value("writes_missed_total") == 3
    assert_firing(rules, [(60, [before])], [])
    assert_firing(rules, [(60, [before]), (30, [after])], [("MissedEvents", "node1")])


def test_events_that_a_hanging_listener_sees_late(rules: Path, server: Server, listening: Listening) -> None:
    client = server.admin()
    client.set("shared_key", written(1))
    eventually(lambda: listening.value("events_total") == 1, "the first event is seen")
    scrapes = [listening.scrape()]
    seq = 1
    for _ in range(2):
        listening.program.process.send_signal(signal.SIGSTOP)
        for _ in range(5):
            seq += 1
            client.set("shared_key", written(seq))
        time.sleep(0.3)
        listening.program.process.send_signal(signal.SIGCONT)
        eventually(lambda: listening.value("events_total") == seq, "all events are seen")  # noqa: B023 - it is called before the next turn
        scrapes.append(listening.scrape())
    # Two late bursts, four minutes apart: the slowest hundredth of five minutes is late from the first one on.
    moments = [(15, [scrapes[0]]), (240, [scrapes[1]]), (150, [scrapes[2]])]
    assert_firing(rules, moments, [("EventsLate", "node1")])
    assert_firing(rules, moments[:2], [])


def test_a_listener_whose_only_node_is_gone(rules: Path, server: Server, listening: Listening) -> None:
    assert_firing(rules, [(90, [listening.scrape()])], [])
    server.kill()
    eventually(lambda: listening.value("connected") == 0, "the listener notices")
    assert_firing(rules, [(90, [listening.scrape()])], [("ObserverCutOff", "node1")])


# --- healing ---


class Healing:
    """Two real servers that know nothing of each other, and the healing of them."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "healing"
        self.servers = []
        for name in ("one", "two"):
            (directory / name).mkdir()
            self.servers.append(Server("redis", directory / name))
            self.servers[-1].start()
        self.state.mkdir()

    def scrape(self) -> Scrape:
        return node(keydb_node_facts.healing(self.state))

    def run(self) -> Scrape:
        """As the timer does; what its node serves afterwards."""
        nodes = [word for i, server in enumerate(self.servers, 1) for word in ("--node", f"node{i}={server.address}")]
        healed = run_program("heal", "--state", str(self.state), "--settle", "0.1", "--timeout", "1", *nodes)
        assert healed.returncode == 0, healed.stderr
        return self.scrape()


@pytest.fixture
def healing(tmp_path: Path) -> Iterator[Healing]:
    healing = Healing(tmp_path)
    yield healing
    for server in healing.servers:
        server.kill()


def test_nodes_that_had_come_to_differ(rules: Path, healing: Healing, facts: Scrape) -> None:
    first, well = healing.scrape(), healing.run()
    assert_firing(rules, [(60, [first, facts]), (600, [well, facts])], [])
    healing.servers[0].admin().set("key", "of node1")
    healing.servers[1].admin().set("key", "of node2")
    # It compares at once where it knows nothing of a last time.
    shutil.rmtree(healing.state)
    healing.state.mkdir()
    repaired = healing.run()
    assert_firing(rules, [(60, [first, facts]), (60, [repaired, facts])], [("NodesDiffered", "node1")])


def test_nodes_that_stay_different(rules: Path, healing: Healing, facts: Scrape) -> None:
    """One of them is full, and refuses what the repair would give to it."""
    healing.servers[0].admin().set("key", "x" * 1000)
    healing.servers[1].admin().config_set("maxmemory", "1")
    left = healing.run()
    assert_firing(rules, [(330, [left, facts])], [("NodesDiffer", "node1")])


def test_a_node_that_is_away_keeps_the_healing_waiting(rules: Path, healing: Healing, facts: Scrape) -> None:
    healing.servers[1].kill()
    assert_firing(rules, [(630, [healing.run(), facts])], [("HealingWaits", "node1")])


def test_a_healing_that_runs_no_more(rules: Path, healing: Healing, facts: Scrape) -> None:
    last = healing.run()
    assert_firing(rules, [(3600, [last, facts])], [])
    assert_firing(rules, [(4200, [last, facts])], [("HealingStopped", "node1")])


# --- certificates, boards and clocks ---


@pytest.mark.parametrize(("days", "fires"), [(31, False), (29, True), (-1, True)], ids=["good", "due", "expired"])
def test_a_certificate_that_is_due(rules: Path, tmp_path: Path, days: int, fires: bool) -> None:
    path = make_certificate(tmp_path / "server.crt", dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days))
    scrape = node(keydb_node_facts.certificates(HostReader(), [str(path)]))
    assert_firing(rules, [(330, [scrape])], [("CertificateDue", "node1")] if fires else [])


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("pi4b-4gb", []),
        ("pc-nvme", []),
        ("pi4b-throttled", ["Throttled", "WasThrottled"]),
        ("pi4b-under-voltage", ["Throttled", "WasThrottled"]),
        ("pi4b-under-voltage-since-boot", ["WasThrottled"]),
    ],
)
def test_a_board_that_is_throttled(rules: Path, facts: Scrape, board: str, expected: list[str]) -> None:
    scrape = node(keydb_node_facts.throttling(HostReader(str(BOARDS / board))))
    assert_firing(rules, [(90, [scrape, facts])], [(alert, "node1") for alert in expected])


def test_a_clock_that_nobody_sets(rules: Path, facts: Scrape, tmp_path: Path) -> None:
    """A host on which no chronyd answers: this reader knows no program at all."""
    scrape = node(keydb_node_facts.clock(HostReader(str(tmp_path))))
    assert_firing(rules, [(150, [scrape, facts])], [("ClockNotSynchronised", "node1")])
