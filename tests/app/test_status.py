"""The status: what it makes of the answers, how it shows them, and that it gets them from real servers."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from app_harness import Server, StartProgram, StartServer, eventually, free_port, run_program, written
from keydb_observer.messages import (
    Counts,
    Distribution,
    Handshake,
    Mode,
    Report,
    SharedValue,
    WokenBy,
    handshake_key,
    report_key,
)
from keydb_observer.node_facts import Link, NodeFacts
from keydb_observer.nodes import Node
from keydb_observer.resolution import resolve
from keydb_observer.status import Answer, ClusterStatus, ask_cluster, put_together
from keydb_observer.status_table import WIDTH, render
from msgspec.structs import astuple

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
RUN = Distribution(123_456, 512_300, 801_000, 1_250_000, 22_500_000, 1_300_000_000)
MINUTE = Distribution(6, 498_000, 499_000, 9_996_000, 9_996_000, 9_996_000)


def handshake(host: str, seq: int, listener: str = "listener-sync", sent_ns: int = NOW) -> Handshake:
    written_ns = NOW - 3 * SECOND
    return Handshake(
        listener, host, "shared_key", "node1", 1, seq, written_ns, sent_ns, sent_ns, 0, WokenBy.EVENT
    )  # fmt: skip


def report(
    host: str,
    listener: str = "listener-sync",
    node: str | None = None,
    sent_ns: int = NOW,
    error_ns: int | None = 45_000,
) -> Report:
    counts = Counts(events=9, read=5, found=1, superseded=4, missed=2, repeated=3, reordered=8, foreign=7)
    return Report(listener, host, host if node is None else node, sent_ns, counts, RUN, MINUTE, 6, 5, error_ns)


def facts(links: tuple[Link, ...], expected: int) -> NodeFacts:
    return NodeFacts("active replica", "KeyDB", "6.3.4", False, links, expected)


def node(number: int) -> Node:
    return Node(f"node{number}", f"10.77.0.{number}", 6379)


def up(number: int) -> Link:
    return Link(f"10.77.0.{number}:6379", True)


VALUE = SharedValue("node1", 1, 42, NOW - 3 * SECOND)


def test_table_of_a_cluster_that_is_well() -> None:
    status = put_together(
        [
            Answer(node(1), facts((up(2), up(3)), 2), VALUE, (handshake("node2", 41),), (report("node2", error_ns=1),)),
            Answer(
                node(2),
                facts((up(1), up(3)), 2),
                VALUE,
                (handshake("node2", 42, sent_ns=NOW + 1),),
                (report("node2", sent_ns=NOW + 1),),
            ),
            Answer(
                node(3),
                facts((up(1), up(2)), 2),
                VALUE,
                (handshake("node3", 40, "listener-async"),),
                (report("node3", "listener-async", "node1", error_ns=None),),
            ),
        ],
        NOW,
    )
    assert status.is_well
    assert render(status).splitlines() == [
        "NODE   ROLE            ENGINE       LINKS  OBSERVER        LAST WRITE",
        "node1  active replica  KeyDB 6.3.4  2/2    writer          seq 42, 3.0 s ago",
        "node2  active replica  KeyDB 6.3.4  2/2    listener-sync   seq 42, 3.0 s ago",
        "node3  active replica  KeyDB 6.3.4  2/2    listener-async  seq 40, 3.0 s ago",
        "",
        "Time from a write to its event, in milliseconds:",
        "LISTENER  HOST   FOLLOWS  SPAN     COUNT    P50    P90    P99  P99.9    MAX  MISSED  SUPERSEDED  CLOCK ERROR",
        "sync      node2  node2    minute       6  0.498  0.499  10.00  10.00  10.00                         0.045 ms",
        "                          run     123456  0.512  0.801   1.25   22.5   1300       2           4",
        "async     node3  node1    minute       6  0.498  0.499  10.00  10.00  10.00                          unknown",
        "                          run     123456  0.512  0.801   1.25   22.5   1300       2           4",
    ]


def test_table_names_what_is_down() -> None:
    status = put_together(
        [
            Answer(node(1), facts((Link("10.77.0.2:6379", False), Link("10.9.9.9:1", False)), 3), VALUE),
            Answer(node(2), unreachable="it refuses connections: nothing listens there"),
            Answer(Node(f"node3-{'n' * 50}-last", "10.77.0.3", 6379), unreachable="it does not answer " * 20),
        ],
        NOW,
    )
    assert not status.is_well
    lines = render(status).splitlines()
    assert lines[2] == f"{'node2':45}  unreachable: it refuses connections: nothing listens there"
    assert lines[3].startswith("node3-nnn")
    assert "nnn-last  unreachable" in lines[3]
    assert lines[-2:] == ["node1: link down to node2, 10.9.9.9:1", "node1: 1 of 3 links not there at all"]
    assert max(map(len, lines)) <= WIDTH


def one_node(
    name: str, answered: tuple[Handshake, ...] = (), reports: tuple[Report, ...] = (), now_ns: int = NOW
) -> ClusterStatus:
    facts = NodeFacts("active replica", "KeyDB", "255.255.255", False, (up(2),) * 10, 10)
    return put_together([Answer(Node(name, "10.77.0.1", 6379), facts, VALUE, answered, reports)], now_ns)


def test_widest_plausible_table_fits() -> None:
    name = "observer-node-12.lan"
    status = one_node(name, (handshake(name, 1_234_567, "listener-async"),), (report(name, "listener-async"),))
    lines = render(status).splitlines()
    assert max(map(len, lines)) == WIDTH
    assert lines[1].startswith(name)
    assert lines[1].endswith("listener-async  seq 1234567, 3.0 s ago")
    assert lines[5].startswith("async     obs…lan  obs…lan  minute"), "only the names may be cut"
    assert lines[5].endswith("0.045 ms")


def test_a_long_run_fits() -> None:
    run = Distribution(4_123_456_789, 12_345_678, 999_600_000, 5_000_000_000, 60_000_000_000, 3_600_000_000_000)
    counts = Counts(missed=1_000_000, superseded=10_000_000_000)
    long = Report("listener-sync", "node2", "node2", NOW, counts, run, Distribution(), 0, 0, 12_345_678)
    lines = render(one_node("node2", reports=(long,))).splitlines()
    assert lines[1].endswith("listener-sync  -"), "it has not answered"
    assert lines[5].split() == ["sync", "node2", "node2", "minute", "0", *"-----", "12.346", "ms"]
    figures = "run 4123 M 12.3 1000 5000 60000 3600000 1000000 10000 M"
    assert lines[6].split() == figures.split()
    assert max(map(len, lines)) <= WIDTH


def test_report_without_printable_names_does_no_harm() -> None:
    lines = render(one_node("node2", reports=(report("node2", node="\x1b[2Jnode\n"),))).splitlines()
    assert " ?[2Jnode?  minute " in lines[5]
    lines = render(one_node("node2", reports=(report("node2", node=""),))).splitlines()
    assert " node2  -        minute " in lines[5]


@pytest.mark.parametrize(
    ("reported_s_ago", "handshake_s_ago", "stale"),
    [(0, 3, False), (12, 3, False), (14, 3, True), (14, 5, False), (30, 30, False), (61, 61, True), (-5, 3, False)],
)
def test_report_of_a_listener_that_has_gone(reported_s_ago: int, handshake_s_ago: int, stale: bool) -> None:
    """There was a write 3 s ago in each case, but a handshake may be newer than the report, or what is oldest."""
    answered = (handshake("node9", 1, sent_ns=NOW - handshake_s_ago * SECOND),)
    value = SharedValue("node1", 1, 42, NOW - max(handshake_s_ago, 3) * SECOND)
    sent = report("node1", sent_ns=NOW - reported_s_ago * SECOND)
    status = put_together([Answer(node(1), facts((), 0), value, answered, (sent,))], NOW)
    listener = status.nodes[0].observers[-1]
    assert listener.stale is stale
    rows = render(status).splitlines()[-2:]
    if stale:
        assert rows[0] == f"sync      node1  node1    minute  stale: reported {reported_s_ago} s ago"
    else:
        assert "0.498" in rows[0]
    assert rows[1].endswith("1300       2           4")


def test_a_clock_far_ahead_makes_nobody_stale() -> None:
    ahead = report("node9", sent_ns=NOW + 3600 * SECOND)
    status = one_node("node1", reports=(report("node1", sent_ns=NOW - 9 * SECOND), ahead))
    assert [observer.stale for observer in status.nodes[0].observers if observer.counts] == [False]


def test_facts_for_programs() -> None:
    status = one_node("node1", (handshake("node1", 41),), (report("node1", node="node2"),))
    writer, listener = json.loads(json.dumps(status.as_json()))["nodes"][0]["observers"]
    distribution_names = ("count", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
    assert listener == {
        "name": "listener-sync",
        "epoch": 1,
        "seq": 41,
        "t1_ns": NOW - 3 * SECOND,
        "age_ns": 3 * SECOND,
        "error_ns": 45_000,
        "counts": {
            "events": 9,
            "read": 5,
            "found": 1,
            "superseded": 4,
            "missed": 2,
            "repeated": 3,
            "reordered": 8,
            "foreign": 7,
        },
        "run": dict(zip(distribution_names, astuple(RUN), strict=True)),
        "minute": dict(zip(distribution_names, astuple(MINUTE), strict=True)),
        "follows": "node2",
        "reconnects": 6,
        "resyncs": 5,
        "report_age_ns": 0,
        "stale": False,
    }
    assert (writer["name"], writer["seq"], writer["run"], writer["stale"]) == ("writer", 42, None, False)


def test_figures_from_real_servers(start_server: StartServer) -> None:
    """What each node holds is put together; what cannot be read there is passed over."""
    first, second = start_server(), start_server()
    admin = first.admin()
    admin.set("shared_key", written(7, writer="here"))
    now_ns = time.time_ns()
    admin.set(handshake_key("there", Mode.SYNC), handshake("there", 5, sent_ns=now_ns).encode())
    admin.set(report_key("there", Mode.SYNC), report("there", sent_ns=now_ns - 1).encode())
    admin.set(report_key("there", Mode.ASYNC), "garbage")
    admin.rpush(report_key("here", Mode.SYNC), "item")
    admin = second.admin()
    admin.set(handshake_key("there", Mode.SYNC, "shared_key"), handshake("there", 6, sent_ns=now_ns + 1).encode())
    admin.set(report_key("there", Mode.SYNC), report("there", node="here", sent_ns=now_ns, error_ns=None).encode())
    admin.set(report_key("here", Mode.ASYNC), report("here", "listener-async", sent_ns=now_ns).encode())

    nodes = [f"here={first.address}", f"there={second.address}"]
    status = asyncio.run(ask_cluster(resolve("status", {"node": nodes}, {})))
    here, there = (node.observers for node in status.nodes)
    assert [(observer.name, observer.seq, observer.follows) for observer in here] == [
        ("writer", 7, None),
        ("listener-async", None, "here"),
    ]
    assert [(observer.name, observer.seq, observer.follows) for observer in there] == [("listener-sync", 6, "here")]
    assert there[0].run == RUN
    assert there[0].error_ns is None


def test_two_nodes_as_the_program_sees_them(
    start_server: StartServer, start_program: StartProgram, engine: str
) -> None:
    first = start_server(*replication(engine))
    second = start_server(*replication(engine, first))
    if engine == "keydb":
        first.admin().execute_command("REPLICAOF", "127.0.0.1", str(second.port))
    here, there = f"here={first.address}", f"there={second.address}"
    # Only an active replica takes writes.
    write_node = [] if engine == "keydb" else ["--write-node", first.address]
    listener = start_program("--node", there, "--name", "there", *write_node, "listen", "--mode", "async")
    listener.says("there is no such key")
    writer = start_program("--node", here, "--name", "here", "write", "--interval", "0.3")
    writer.says("saw listener-async on there answer")

    both = ["--node", here, "--node", there, "--timeout", "2"]
    eventually(lambda: run_program(*both, "status").returncode == 0, "all links are up")
    table = run_program(*both, "status")
    rows = {line.split()[0]: line for line in table.stdout.splitlines() if line}
    assert_all_in(rows["here"], " 1/1 ", "writer")
    assert_all_in(rows["there"], " 1/1 ", "listener-async", " ago")
    assert_all_in(rows["async"], " there ", " minute ")

    facts = json.loads(run_program(*both, "status", "--json").stdout)
    assert facts["ok"] is True
    names = {"keydb": ("KeyDB", "active replica"), "redis": ("Redis", "primary")}
    assert (facts["nodes"][0]["engine"], facts["nodes"][0]["role"]) == names[engine]
    assert facts["nodes"][1]["role"] == ("active replica" if engine == "keydb" else "replica")
    assert facts["nodes"][1]["observers"][0]["name"] == "listener-async"

    def has_figures() -> bool:
        """A listener reports once a second, so the first report may be from before its first event."""
        listener = json.loads(run_program(*both, "status", "--json").stdout)["nodes"][1]["observers"][0]
        return listener["run"]["p50_ns"] is not None

    eventually(has_figures, "the listener's report has what it measured")
    assert facts["nodes"][1]["observers"][0]["follows"] == "there"

    second.kill()
    eventually(lambda: not links_up(both), "the link is seen to be down")
    table = run_program(*both, "status")
    assert table.returncode == 1
    rows = {line.split()[0]: line for line in table.stdout.splitlines() if line}
    assert "unreachable: it refuses connections" in rows["there"]
    assert_all_in(rows["here"], " 0/1 ", "writer")
    assert rows["here:"].startswith("here: ")
    # What the listener there said last is known from the node that is left.
    assert "listener-async" in table.stdout
    assert listener.process.poll() is None
    assert writer.process.poll() is None


def assert_all_in(row: str, *words: str) -> None:
    assert [word for word in words if word not in row] == [], row


def links_up(both: list[str]) -> int:
    return int(json.loads(run_program(*both, "status", "--json").stdout)["nodes"][0]["links_up"])


def replication(engine: str, primary: Server | None = None) -> list[str]:
    active = ["--active-replica", "yes", "--multi-master", "yes"] if engine == "keydb" else []
    return [*active, *(["--replicaof", "127.0.0.1", str(primary.port)] if primary else [])]


def test_status_without_any_server() -> None:
    began = time.monotonic()
    result = run_program("--node", f"127.0.0.1:{free_port()}", "--timeout", "1", "status")
    assert result.returncode == 1
    assert "unreachable: it refuses connections: nothing listens there" in result.stdout
    assert time.monotonic() - began < 20


def test_status_of_a_server_with_foreign_values(server: Server) -> None:
    admin = server.admin()
    admin.rpush("shared_key", "item")
    admin.set("handshake:here:sync", "garbage")
    admin.set("observer:here:sync", "garbage")
    result = run_program("--node", f"here={server.address}", "status")
    assert result.returncode == 0
    assert "listener" not in result.stdout
    assert "writer" not in result.stdout
    admin.delete("shared_key")
    admin.set("shared_key", written(7, writer="here"))
    result = run_program("--node", f"here={server.address}", "status")
    assert " seq 7, " in result.stdout
    assert result.stderr == ""
