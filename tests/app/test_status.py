"""The status: what it makes of the answers, how it shows them, and that it gets them from real servers."""

from __future__ import annotations

import json
import time

from app_harness import Server, StartProgram, StartServer, eventually, free_port, run_program, written
from keydb_observer.messages import Handshake, ListenerStats, SharedValue, WokenBy
from keydb_observer.node_facts import Link, NodeFacts
from keydb_observer.nodes import Node
from keydb_observer.status import Answer, put_together
from keydb_observer.status_table import WIDTH, render

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


def handshake(host: str, seq: int, listener: str = "listener-sync", sent_ns: int = NOW) -> Handshake:
    stats = ListenerStats(count=seq, missed=2, p50_ns=512_000, p99_ns=1_250_000_000, max_ns=1_300_000_000)
    return Handshake(
        listener, host, "node1", 1, seq, NOW - 3 * SECOND, sent_ns, sent_ns, WokenBy.EVENT, stats
    )  # fmt: skip


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
            Answer(node(1), facts((up(2), up(3)), 2), VALUE, (handshake("node2", 41),)),
            Answer(node(2), facts((up(1), up(3)), 2), VALUE, (handshake("node2", 42, sent_ns=NOW + 1),)),
            Answer(node(3), facts((up(1), up(2)), 2), VALUE, (handshake("node3", 40, "listener-async"),)),
        ],
        NOW,
    )
    assert status.is_well
    assert render(status).splitlines() == [
        "NODE   ROLE            ENGINE       LINKS  OBSERVER        LAST WRITE         P50       P99",
        "node1  active replica  KeyDB 6.3.4  2/2    writer          seq 42, 3.0 s ago  -         -",
        "node2  active replica  KeyDB 6.3.4  2/2    listener-sync   seq 42, 3.0 s ago  0.512 ms  1.250 s",
        "node3  active replica  KeyDB 6.3.4  2/2    listener-async  seq 40, 3.0 s ago  0.512 ms  1.250 s",
    ]


def test_table_names_what_is_down() -> None:
    status = put_together(
        [
            Answer(node(1), facts((Link("10.77.0.2:6379", False), Link("10.9.9.9:1", False)), 3), VALUE),
            Answer(node(2), unreachable="it refuses connections: nothing listens there"),
            Answer(Node("n" * 40, "10.77.0.3", 6379), unreachable="it does not answer " * 20),
        ],
        NOW,
    )
    assert not status.is_well
    lines = render(status).splitlines()
    assert lines[2] == f"{'node2':35}  unreachable: it refuses connections: nothing listens there"
    assert lines[-2:] == ["node1: link down to node2, 10.9.9.9:1", "node1: 1 of 3 links not there at all"]
    assert max(map(len, lines)) <= WIDTH


def test_widest_plausible_table_fits() -> None:
    name = "observer-node-12.lan"
    status = put_together(
        [
            Answer(
                Node(name, "10.77.0.1", 6379),
                NodeFacts("active replica", "KeyDB", "255.255.255", False, (up(2),) * 10, 10),
                VALUE,
                (handshake(name, 1_234_567, "listener-async"),),
            )
        ],
        NOW + 100 * SECOND,
    )
    table = render(status)
    assert max(map(len, table.splitlines())) == WIDTH
    assert "p99_ns" not in table
    assert table.endswith("seq 1234567, 103 s ago  0.512 ms  1.250 s"), "only the name may be cut"


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
    rows = {line.split()[0]: line for line in table.stdout.splitlines()}
    assert_all_in(rows["here"], " 1/1 ", "writer")
    assert_all_in(rows["there"], " 1/1 ", "listener-async", " ms")

    facts = json.loads(run_program(*both, "status", "--json").stdout)
    assert facts["ok"] is True
    names = {"keydb": ("KeyDB", "active replica"), "redis": ("Redis", "primary")}
    assert (facts["nodes"][0]["engine"], facts["nodes"][0]["role"]) == names[engine]
    assert facts["nodes"][1]["role"] == ("active replica" if engine == "keydb" else "replica")
    assert facts["nodes"][1]["observers"][0]["name"] == "listener-async"
    assert facts["nodes"][1]["observers"][0]["p50_ns"] is not None

    second.kill()
    eventually(lambda: not links_up(both), "the link is seen to be down")
    table = run_program(*both, "status")
    assert table.returncode == 1
    rows = {line.split()[0]: line for line in table.stdout.splitlines()}
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
    result = run_program("--node", f"here={server.address}", "status")
    assert result.returncode == 0
    assert "listener" not in result.stdout
    assert "writer" not in result.stdout
    admin.delete("shared_key")
    admin.set("shared_key", written(7, writer="here"))
    result = run_program("--node", f"here={server.address}", "status")
    assert " seq 7, " in result.stdout
    assert result.stderr == ""
