"""A run as the controller leads it, and the result that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from bench_fakes_hosts import LIMITS, hosts_that
from bench_leading import Leader
from bench_plan import Settings
from bench_result import result
from bench_summary import summary
from hosts_told import GivenUpError, LostError

MESH = {"keydb": True, "valkey": False, "redis": False}
THROTTLED = {"host": "node3", "condition": "throttled", "text": "under-voltage now"}


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "engines": ["keydb", "valkey", "redis"],
        "cluster_engine": "keydb",
        "varied": ["keydb"],
        "server": "node1",
        "client": "node2",
        "nodes": [1, 2, 3],
        "rounds": 2,
        "tls": [True, False],
    }
    return Settings.of(given | changes)


def led(
    wanted: Settings, marks: list[dict[str, str]] | None = None, **changes: Mapping[str, Any]
) -> tuple[Leader, list[tuple[str, str, Mapping[str, Any]]]]:
    hosts, told = hosts_that(**changes)
    return Leader(hosts, wanted, MESH, marks or [], lambda _line: None, lambda: False), told


def made(leader: Leader, wanted: Settings) -> dict[str, Any]:
    run = {
        "taken_at": "2026-11-26T01:00:00Z",
        "inventory": "lab",
        "plan": "small",
        "seed": 1,
        "settings": asdict(wanted),
        "boards": {"node1": "Raspberry Pi 4 Model B"},
        "not_measured": [],
    }
    return result(run, asdict(leader.measured), [])


def test_everything_comes_into_the_result_with_its_spread() -> None:
    wanted = settings()
    leader, _ = led(wanted)
    leader.run()
    found = made(leader, wanted)
    assert found["conditions"] == {"verdict": "good", "marks": []}
    assert {row["engine"] for row in found["throughput"]} == {"keydb", "valkey", "redis"}
    assert all(len(row["rate"]["rounds"]) == 2 for row in found["throughput"])
    assert {(row["engine"], row["tls"]) for row in found["throughput"]} >= {("keydb", False), ("redis", True)}
    assert ("redis", False) not in {(row["engine"], row["tls"]) for row in found["throughput"]}
    tail = {(row["engine"], row["scheduling"]): row for row in found["tail"]}
    assert tail["keydb", "fifo"]["p99"]["median"] == 0.9
    for name, limit in LIMITS.items():
        assert limit / wanted.knee_precision <= found["listeners"][name]["knee"]["median"] <= limit
        assert found["listeners"][name]["limited_by"] == "listener"
    points = {(point["nodes"], point["writers"]): point for point in found["scale"]["points"]}
    assert set(points) == {(1, "one"), (2, "one"), (2, "all"), (3, "one"), (3, "all")}
    assert points[3, "one"]["writes"]["median"] == 10_000
    # Three hosts sent a megabyte each, for 20,000 writes.
    assert points[3, "one"]["bytes_per_write"]["median"] == 150
    assert found["scale"]["model"]["measured_up_to"] == 3
    assert found["not_measured"] == []


def test_rounds_are_interleaved() -> None:
    leader, told = led(settings(parts=["tail"], rounds=3))
    leader.run()
    served = [given["engine"] for host, command, given in told if (host, command) == ("node1", "serve")]
    assert served[: len(served) // 3] != served[len(served) // 3 : 2 * len(served) // 3]
    assert sorted(served[: len(served) // 3]) == sorted(served[-len(served) // 3 :])


def test_a_client_is_never_beside_the_server_that_it_measures() -> None:
    leader, told = led(settings())
    leader.run()
    addresses = {name: f"10.77.0.{10 + int(name[-1])}" for name in ("node1", "node2", "node3")}
    clients = [(host, given["server"]) for host, command, given in told if command in ("tools", "window", "replicate")]
    assert clients
    assert all(addresses[host] != server for host, server in clients)


def test_every_server_is_stopped() -> None:
    leader, told = led(settings(), node2={"tools": {"problem": "no tool"}})
    leader.run()
    runs = set()
    for host, command, _ in told:
        if command == "serve":
            runs.add(host)
        elif command == "unserve":
            runs.discard(host)
    assert runs == set()


def test_what_fails_is_named_and_the_rest_is_measured() -> None:
    wanted = settings(parts=["throughput", "scale"])
    leader, _ = led(wanted, node2={"tools": {"problem": "the tool ended with 1"}})
    leader.run()
    found = made(leader, wanted)
    assert "throughput" not in found
    assert found["scale"]["points"]
    said = {each["what"]: each["why"] for each in found["not_measured"]}
    assert said["redis, 1 thread"] == "node2: the tool ended with 1"
    assert said["throughput"] == "it came to nothing"
    assert said["tail"] == "not asked for (bench_parts)"
    assert "the tool ended with 1" in summary(found)


def test_a_host_that_is_lost_is_named() -> None:
    wanted = settings(parts=["tail"], engines=["keydb"])
    leader, _ = led(wanted, node2={"window": LostError("SSH broke")})
    leader.run()
    assert {"what": "keydb, 1 thread", "why": "node2: SSH broke"} in made(leader, wanted)["not_measured"]


@pytest.mark.parametrize(
    ("marks", "changes", "condition"),
    [
        ([THROTTLED], {}, "throttled"),
        ([], {"node2": {"busy": {"share": 0.9}}}, "load"),
        ([], {"node2": {"link": {"mbits": 94.0}}}, "link"),
    ],
)
def test_bad_conditions_mark_or_refuse(
    marks: list[dict[str, str]], changes: dict[str, dict[str, Any]], condition: str
) -> None:
    wanted = settings(parts=["tail"])
    leader, _ = led(wanted, marks, **changes)
    leader.run()
    found = made(leader, wanted)
    assert found["conditions"]["verdict"] == "marked"
    assert [mark["condition"] for mark in found["conditions"]["marks"]] == [condition]
    assert condition in summary(found)
    refusing, told = led(settings(parts=["tail"], conditions="refuse"), marks, **changes)
    with pytest.raises(GivenUpError, match=condition):
        refusing.run()
    assert "serve" not in {command for _, command, _ in told}


def test_without_real_time_scheduling_the_reason_is_said() -> None:
    wanted = settings(parts=["tail"])
    facts = hosts_that()[0].ask("node1", "facts")
    leader, told = led(wanted, node1={"facts": facts | {"not_fifo": "no budget"}})
    leader.run()
    assert {"what": "real-time scheduling", "why": "node1: no budget"} in made(leader, wanted)["not_measured"]
    assert {given["scheduling"] for _, command, given in told if command == "serve"} == {"other"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"available_mb": 500}, "node3 has 500 MB to spare, and 1280 are needed"),
        ({"free_mb": 900}, "node3 has 900 MB of free storage"),
    ],
)
def test_memory_and_storage_are_looked_at_before_a_server_is_started(changes: dict[str, int], said: str) -> None:
    facts = hosts_that()[0].ask("node3", "facts")
    leader, told = led(settings(maxmemory_mb=1024), node3={"facts": facts | changes})
    with pytest.raises(GivenUpError, match=said):
        leader.run()
    assert "serve" not in {command for _, command, _ in told}


def test_nothing_new_is_begun_when_the_time_is_over() -> None:
    wanted = settings(minutes=0.0)
    leader, told = led(wanted)
    leader.run()
    assert "serve" not in {command for _, command, _ in told}
    assert any("bench_minutes" in each["why"] for each in made(leader, wanted)["not_measured"])


def test_replicas_have_one_primary_where_there_is_no_mesh() -> None:
    leader, told = led(settings(parts=["scale"], cluster_engine="redis", engines=["redis"], rounds=1, nodes=[3]))
    leader.run()
    sources = {host: list(given["sources"]) for host, command, given in told if command == "serve"}
    assert sources == {"node1": [], "node2": ["10.77.0.11"], "node3": ["10.77.0.11"]}
