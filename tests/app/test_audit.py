"""Comparing nodes: what counts as a difference, and what does not."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from app_harness import Server, StartServer, free_port, meanwhile, run_program
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.audit import AuditResult, difference_between, is_still, run_audit
from keydb_observer.audit_reading import ABSENT, State, _framed
from keydb_observer.audit_report import as_json, render
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.resolution import resolve_audit

QUICK = AuditSettings(settle=0.1, batch=50)
FILLS: dict[str, Callable[[redis.Redis], object]] = {
    "string": lambda client: client.set("key", "a" * 200_000),
    "list": lambda client: client.rpush("key", *range(2500)),
    "hash": lambda client: client.hset("key", mapping={f"f{n}": n for n in range(3000)}),
    "set": lambda client: client.sadd("key", *range(3000)),
    "zset": lambda client: client.zadd("key", {f"m{n}": n for n in range(3000)}),
    "stream": lambda client: [client.xadd("key", {"f": n}, id=f"{n + 1}-1") for n in range(1500)],
}
CHANGES: dict[str, Callable[[redis.Redis], object]] = {
    "string": lambda client: client.setrange("key", 199_999, "b"),
    "list": lambda client: client.lset("key", 2499, "x"),
    "hash": lambda client: client.hset("key", "f2999", "x"),
    "set": lambda client: client.srem("key", 2999),
    "zset": lambda client: client.zincrby("key", 0.5, "m2999"),
    "stream": lambda client: client.xdel("key", "1500-1"),
}
each_type = pytest.mark.parametrize("kind", FILLS)


@pytest.fixture
def pair(start_server: StartServer) -> list[Server]:
    """Two servers that know nothing of each other."""
    return [start_server(), start_server()]


def compare(servers: list[Server], audit: AuditSettings = QUICK) -> AuditResult:
    nodes = [f"node{place + 1}={server.address}" for place, server in enumerate(servers)]
    settings, _ = resolve_audit({"node": nodes, "name": "test"}, {})
    return asyncio.run(run_audit(audit, settings))


@each_type
def test_equal_however_the_servers_keep_it(kind: str, pair: list[Server]) -> None:
    for server in pair:
        FILLS[kind](server.admin())
    if kind in ("hash", "set", "zset"):
        # The same members in another order and another encoding.
        pair[1].admin().delete("key")
        small = {"hash": "hset", "set": "sadd", "zset": "zadd"}[kind]
        for server, order in zip(pair, (range(100), reversed(range(100))), strict=True):
            for n in order:
                arguments = {"hash": (f"f{n}", n), "set": (f"s{n}",), "zset": (n, f"m{n}")}[kind]
                server.admin().execute_command(small, "small", *arguments)
        FILLS[kind](pair[1].admin())
    result = compare(pair)
    assert (result.differing, result.busy, result.suspected) == (0, 0, 0)
    assert result.examined == (2 if kind in ("hash", "set", "zset") else 1)


@each_type
def test_sees_a_change_in_the_last_piece(kind: str, pair: list[Server]) -> None:
    for server in pair:
        FILLS[kind](server.admin())
    CHANGES[kind](pair[1].admin())
    result = compare(pair)
    assert result.by_kind == {"value": 1}
    assert result.listed[0].key == b"key"


def test_each_kind_of_difference(pair: list[Server]) -> None:
    one, other = (server.admin() for server in pair)
    for client in (one, other):
        client.mset({f"same{n}": n for n in range(300)})
        client.set("expiry", "x", px=100_000)
        client.set("no expiry", "x")
        client.set("close expiry", "x", px=100_000)
    one.set("only here", "x")
    other.set("only there", "x")
    one.set("type", "x")
    other.rpush("type", "x")
    other.pexpire("expiry", 200_000)
    other.pexpire("no expiry", 100_000)
    other.pexpire("close expiry", 100_300)
    result = compare(pair)
    assert {found.key.decode(): found.kind for found in result.listed} == {
        "only here": "presence",
        "only there": "presence",
        "type": "type",
        "expiry": "expiry",
        "no expiry": "expiry",
    }
    assert result.examined == 306
    assert result.busy == 0


def test_compares_what_matches_only(pair: list[Server]) -> None:
    pair[0].admin().mset({"a:1": 1, "b:1": 1})
    result = compare(pair, AuditSettings(settle=0.1, match="b:*"))
    assert [found.key for found in result.listed] == [b"b:1"]


def test_what_passes_is_no_difference(pair: list[Server]) -> None:
    pair[0].admin().set("key", "new")
    pair[1].admin().set("key", "old")

    def replicate(_over: threading.Event) -> None:
        time.sleep(0.3)
        pair[1].admin().set("key", "new")

    with meanwhile(replicate):
        result = compare(pair, AuditSettings(settle=1.0))
    assert (result.suspected, result.differing, result.busy) == (1, 0, 0)


def test_a_key_that_never_rests_is_busy(pair: list[Server]) -> None:
    one, other = (server.admin() for server in pair)
    one.set("key", "0 here")
    other.set("key", "0 there")

    def write(over: threading.Event) -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            one.set("key", f"{turn} here")
            other.set("key", f"{turn} there")

    with meanwhile(write):
        result = compare(pair)
    assert (result.differing, result.busy) == (0, 1)
    assert "nothing can be said" in render(result)


def test_many_differences_in_bounded_pieces(pair: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keydb_observer.audit._MOST_SUSPECTS", 100)
    monkeypatch.setattr("keydb_observer.audit.MOST_LISTED", 30)
    pair[0].admin().mset({f"key{n}": n for n in range(1000)})
    result = compare(pair)
    assert result.by_kind == {"presence": 1000}
    assert len(result.listed) == 30
    assert "and 980 more" in render(result)


def test_says_which_nodes_agree(start_server: StartServer) -> None:
    servers = [start_server(), start_server(), start_server()]
    for server, value in zip(servers, ("x", "y", "x"), strict=True):
        server.admin().set(b"\xff\nkey", value)
    result = compare(servers)
    assert "\\xff\\nkey: value: string on node1, node3 | string on node2" in render(result)
    found = as_json(result)["differences"][0]
    assert found["nodes"]["node1"] == found["nodes"]["node3"] != found["nodes"]["node2"]


def test_the_command(pair: list[Server], tmp_path: Path) -> None:
    nodes = [argument for server in pair for argument in ("--node", server.address)]
    same = run_program("audit", *nodes)
    assert (same.returncode, same.stderr) == (0, "")
    assert "0 keys compared" in same.stdout
    pair[0].admin().set("key", "x")
    output = tmp_path / "audit.json"
    different = run_program("audit", *nodes, "--settle", "0.1", "--output", str(output))
    assert different.returncode == 1
    assert f"key: presence: string on {pair[0].address} | absent on {pair[1].address}" in different.stdout
    assert json.loads(output.read_text())["by_kind"] == {"presence": 1}


def test_names_a_node_that_does_not_answer(server: Server) -> None:
    away = f"away=127.0.0.1:{free_port()}"
    result = run_program("audit", "--node", server.address, "--node", away, "--timeout", "0.5")
    assert result.returncode == 1
    assert "audit: away (127.0.0.1:" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_node_has_nothing_to_be_compared_with() -> None:
    result = run_program("audit", "--node", "127.0.0.1:1")
    assert result.returncode == 2
    assert "allowed: two nodes or more" in result.stderr


def test_what_may_not_be_read_is_said(start_server: StartServer) -> None:
    servers = [start_server(), start_server("--user", "default", "on", "nopass", "~*", "+@all", "-scan")]
    servers[0].admin().set("key", "x")
    nodes = [argument for server in servers for argument in ("--node", server.address)]
    result = run_program("audit", *nodes)
    assert result.returncode == 1
    assert servers[1].address in result.stderr


states = st.builds(
    State, st.sampled_from(["none", "string", "list"]), st.sampled_from([b"a", b"b"]), st.none() | st.integers(0, 3000)
)


@given(st.lists(states, min_size=2, max_size=4))
def test_no_difference_means_equal_to_each_other(found: list[State]) -> None:
    kind = difference_between(tuple(found))
    pairs = {one.differs(other) for one in found for other in found}
    assert (kind == "") == (pairs == {""})
    assert kind in pairs
    assert is_still(tuple(found), tuple(found))


def test_what_is_not_known_is_no_difference_and_no_rest() -> None:
    assert difference_between((None, ABSENT)) == ""
    assert not is_still((None, ABSENT), (ABSENT, ABSENT))


@given(st.lists(st.binary(max_size=9), max_size=4), st.lists(st.binary(max_size=9), max_size=4))
def test_parts_are_told_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (_framed(*one) == _framed(*other)) == (one == other)
