"""The load generator: its plan, its ledger, and what it says of real servers that stall, die and refuse."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hiredis
import pytest
from app_certificates import Certificates
from app_harness import Server, StartServer, eventually
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.histogram import Histogram
from keydb_observer.load import CannotStartError, run_load, show_and_write
from keydb_observer.load_options import LOAD_OPTIONS
from keydb_observer.load_plan import Plan, writer_names
from keydb_observer.load_replies import Replies
from keydb_observer.load_result import LoadResult, render
from keydb_observer.load_settings import LoadSettings, WriteTo
from keydb_observer.load_tally import Tally
from keydb_observer.messages import SharedValue
from keydb_observer.nodes import Node
from keydb_observer.options import RefusedError
from keydb_observer.resolution import resolve
from keydb_observer.settings import Settings
from redis import exceptions as redis_errors

START = 1_795_433_613_000_000_000
LOGGER = logging.getLogger("test_load")
MS = 1_000_000

plans = st.builds(
    Plan,
    rate=st.one_of(st.sampled_from([0.1, 1.0, 3.0, 1000.0, 1e6]), st.floats(0.1, 1e6)),
    keys=st.integers(1, 120),
    size=st.just(0),
    duration=st.just(1.0),
    prefix=st.just("load:"),
    writers=st.integers(1, 5).map(lambda count: tuple(f"w{place}" for place in range(count))),
    start_ns=st.just(START),
)
totals = st.integers(1, 700)


def of_total(plan: Plan, total: int) -> Plan:
    return replace(plan, duration=total / plan.rate)


def a_plan(**changes: Any) -> Plan:
    plan = Plan(rate=1000.0, keys=3, size=0, duration=1.0, prefix="load:", writers=("w",), start_ns=START)
    return replace(plan, **changes)


def written_by(data: bytes) -> list[tuple[str, bytes]]:
    """The keys and values that these commands set."""
    reader = hiredis.Reader()
    reader.feed(data)
    found = []
    while (command := reader.gets()) is not False:
        assert command[0] == b"SET"
        found.append((command[1].decode(), command[2]))
    return found


# The plan


@given(plans, totals, st.randoms())
def test_every_write_of_the_plan_has_one_writer_and_each_key_its_numbers_without_a_gap(
    plan: Plan, total: int, random: Any
) -> None:
    plan = of_total(plan, total)
    assert plan.total == total
    numbers: dict[int, int] = {}
    writers: dict[str, set[str]] = {}
    seqs: dict[str, list[int]] = {}
    for place, name in enumerate(plan.writers):
        share = plan.share(place)
        first = 0
        last_due = 0
        while first < share.total:
            last = random.randint(first + 1, share.total)
            dues, data = share.commands(first, last)
            for offset, (key, raw) in enumerate(written_by(data)):
                number = share.number(first + offset)
                value = SharedValue.parse(raw)
                assert number not in numbers
                numbers[number] = value.t1_ns
                assert value == SharedValue(name, START, number // plan.keys + 1, plan.due_ns(number))
                assert raw == value.encode()
                assert dues[offset] == value.t1_ns == share.due_ns(first + offset) >= last_due
                last_due = value.t1_ns
                assert key == f"load:{number % plan.keys}"
                writers.setdefault(key, set()).add(name)
                seqs.setdefault(key, []).append(value.seq)
            first = last
    assert sorted(numbers) == list(range(total))
    assert all(len(names) == 1 for names in writers.values())
    assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())
    in_order = [numbers[number] for number in range(total)]
    assert in_order == sorted(in_order)


@given(plans, st.integers(0, 700), st.integers(-2, 2))
def test_what_is_due_is_what_should_have_been_sent_by_now(plan: Plan, number: int, offset_ns: int) -> None:
    plan = of_total(plan, 700)
    now_ns = plan.due_ns(number) + offset_ns
    expected = sum(plan.due_ns(each) <= now_ns for each in range(plan.total))
    assert plan.due(now_ns) == expected
    assert sum(plan.share(place).due(now_ns) for place in range(len(plan.writers))) == expected


@pytest.mark.parametrize(("rate", "duration", "total"), [(1000, 10, 10_000), (4.35, 100, 435), (0.1, 1, 1)])
def test_how_many_writes_there_are(rate: float, duration: float, total: int) -> None:
    assert a_plan(rate=rate, duration=duration).total == total


def test_values_are_padded_to_the_byte_and_never_cut() -> None:
    smallest = len(written_by(a_plan().share(0).commands(0, 1)[1])[0][1])
    for size in [0, *range(smallest - 2, smallest + 40), 1 << 20]:
        share = a_plan(size=size, keys=1).share(0)
        # The number of a write, here 10, takes a byte more than that of the ones before.
        for _, raw in written_by(share.commands(8, 10)[1]):
            assert len(raw) == max(size, len(SharedValue("w", START, SharedValue.parse(raw).seq, START).encode()))
            assert SharedValue.parse(raw).t1_ns >= START


def test_a_prefix_may_be_any_text() -> None:
    _, data = a_plan(prefix="50%d:é:").share(0).commands(0, 2)
    assert [key for key, _ in written_by(data)] == ["50%d:é:0", "50%d:é:1"]


def test_writers_names_are_names() -> None:
    nodes = (Node.parse("a=h:1"), Node.parse("[::1]:6379"))
    assert writer_names("me", nodes[1:]) == ("me",)
    assert writer_names("me", nodes) == ("me-a", "me----1--6379")
    for name in writer_names("m" * 253, nodes):
        SharedValue.parse(SharedValue(name, 1, 1, 1).encode())


# The ledger


@given(st.lists(st.booleans(), max_size=200), st.lists(st.integers(1, 40), min_size=1), st.integers(0, 3))
def test_replies_are_counted_however_they_are_cut(are_ok: list[bool], cuts: list[int], lost: int) -> None:
    tally = Tally()
    replies = Replies(tally, 0, lambda: START + 5000, LOGGER)
    replies.expect([START] * (len(are_ok) + lost))
    data = b"".join(b"+OK\r\n" if is_ok else b"-READONLY it is\r\n" for is_ok in are_ok)
    turn = 0
    while data:
        cut = cuts[turn % len(cuts)]
        replies.take(data[:cut])
        data = data[cut:]
        turn += 1
    assert replies.in_flight == lost
    replies.give_up()
    assert (tally.acknowledged, tally.unknown, replies.in_flight) == (sum(are_ok), lost, 0)
    assert sum(tally.failed.values()) == are_ok.count(False)
    assert set(tally.failed) <= {"read-only"}
    assert tally.ack.count == tally.acknowledged
    assert tally.ack.max_ns == (5000 if any(are_ok) else None)


def test_waits_replies_tell_what_is_durable(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()
    replies = Replies(tally, 2, lambda: START + 5000, LOGGER)
    replies.expect([START] * 5)
    replies.take(b"+OK\r\n:2\r\n+OK\r\n:1\r\n-OOM none left\r\n:7\r\n+OK\r\n-NOPERM no\r\n+OK\r\n")
    assert replies.in_flight == 1, "the last WAIT is not answered"
    replies.give_up()
    assert (tally.acknowledged, tally.durable, tally.not_durable, tally.unknown) == (4, 1, 3, 0)
    assert tally.failed == {"out of memory": 1}
    assert tally.durable_ack.count == 1
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("data", [b"+OK\r\n+OK\r\n", b"-ERR who\r\n-ERR are you\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_a_reply_to_nothing_and_garbage_are_errors(data: bytes) -> None:
    replies = Replies(Tally(), 0, lambda: START, LOGGER)
    replies.expect([START])
    with pytest.raises(redis_errors.InvalidResponse):
        replies.take(data)


# The options

PARSE = {option.name: option.parse for option in LOAD_OPTIONS}


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        ("rate", "150000", 150_000.0),
        ("keys", "100", 100),
        ("size", 0, 0),
        ("writers", "all", WriteTo.ALL),
        ("durable", "2", 2),
        ("prefix", "x:", "x:"),
        ("output", "-", Path("-")),
        ("progress", "no", False),
    ],
)
def test_options(name: str, given_value: object, expected: object) -> None:
    assert PARSE[name](given_value) == expected
    assert getattr(LoadSettings.from_values({name: expected, "node": ()}), name) == expected


@pytest.mark.parametrize(
    ("name", "given_value"),
    [
        ("rate", "0"),
        ("rate", "nan"),
        ("rate", "1e7"),
        ("keys", "1.5"),
        ("keys", "0"),
        ("size", "1048577"),
        ("duration", "-1"),
        ("duration", True),
        ("writers", "two"),
        ("writers", 1),
        ("durable", "-1"),
        ("prefix", "a b"),
        ("prefix", ""),
        ("prefix", "handshake:"),
        ("prefix", "observer:x"),
        ("output", "/nowhere/at/all"),
        ("output", "/"),
        ("output", "\0"),
        ("output", ""),
        ("progress", "maybe"),
    ],
)
def test_wrong_options(name: str, given_value: object) -> None:
    with pytest.raises(RefusedError):
        PARSE[name](given_value)


# Real servers


def settings_for(*servers: Server, **arguments: object) -> Settings:
    nodes = [f"n{place}={server.address}" for place, server in enumerate(servers)]
    return resolve("status", {"node": nodes, "name": "here", "timeout": "2", **arguments}, {})


async def run_and(
    act: Callable[[asyncio.Event], Awaitable[None]], load: LoadSettings, settings: Settings
) -> LoadResult:
    stop = asyncio.Event()
    acting = asyncio.ensure_future(act(stop))
    result = await run_load(load, settings, LOGGER, stop=stop)
    await acting
    return result


async def nothing(_stop: asyncio.Event) -> None:
    """Leaves the server alone."""


def made(load: LoadSettings, *servers: Server, act: Any = nothing, **arguments: object) -> LoadResult:
    """Makes this load while ``act`` happens, and checks what always holds."""
    result = asyncio.run(run_and(act, load, settings_for(*servers, **arguments)))
    counts = result.as_json()["counts"]
    assert counts["planned"] == result.plan.total == counts["sent"] + counts["not_sent"]
    assert counts["sent"] == counts["acknowledged"] + sum(counts["failed"].values()) + counts["unknown"]
    assert result.tally.send_lag.count == counts["sent"]
    assert result.tally.ack.count == counts["acknowledged"]
    assert render(result)
    return result


def values_in(server: Server) -> dict[str, SharedValue]:
    client = server.admin()
    keys: Any = client.keys("load:*")
    return {key.decode(): SharedValue.parse(client.get(key)) for key in keys}


def sets_executed(server: Server) -> int:
    stats: Any = server.admin().info("commandstats")
    return int(stats["cmdstat_set"]["calls"])


def test_the_server_holds_what_the_result_says(start_server: StartServer) -> None:
    servers = start_server(), start_server()
    load = LoadSettings(rate=5000, keys=7, size=200, duration=0.5, writers=WriteTo.ALL)
    result = made(load, *servers)
    plan = result.plan
    assert result.is_complete
    assert (plan.total, result.tally.acknowledged) == (2500, 2500)
    for place, server in enumerate(servers):
        share = plan.share(place)
        assert sets_executed(server) == share.total == result.writers[place].tally.acknowledged
        held = values_in(server)
        assert sorted(held) == [f"load:{key}" for key in range(place, 7, 2)]
        for key, value in held.items():
            number = (value.seq - 1) * 7 + int(key.removeprefix("load:"))
            assert number + 7 >= plan.total, "the last write of each key"
            assert (value.t1_ns, value.epoch) == (plan.due_ns(number), plan.start_ns)
            assert value.writer == f"here-n{place}"
            assert server.admin().strlen(key) == 200


def test_json_result(server: Server) -> None:
    result = made(LoadSettings(rate=2000, duration=0.3), server)
    found = json.loads(json.dumps(result.as_json()))
    assert found["schema"] == 1
    assert found["complete"] is True
    assert found["started"] == found["plan"]["epoch"] == result.plan.start_ns
    assert found["plan"] | {"order": ""} == {
        "rate": 2000,
        "keys": 100,
        "size": 0,
        "duration": 0.3,
        "writers": ["here"],
        "prefix": "load:",
        "epoch": result.plan.start_ns,
        "durable": 0,
        "writes": 600,
        "order": "",
    }
    assert found["counts"] == {
        "planned": 600,
        "sent": 600,
        "not_sent": 0,
        "acknowledged": 600,
        "failed": {},
        "unknown": 0,
    }
    for name in ("ack", "send_lag"):
        histogram = found["histograms"][name]
        decoded = Histogram.decode(histogram["hdr"])
        assert decoded.count == histogram["count"] == 600
        assert decoded.percentile(99.9) == histogram["p999_ns"]
        assert 0 <= histogram["p50_ns"] <= histogram["p90_ns"] <= histogram["p99_ns"] <= histogram["p999_ns"]
    assert 1000 < found["achieved_rate"] <= found["offered_rate"] <= 2000
    assert found["versions"]["nodes"]["n0"]["engine"] in ("Redis", "KeyDB")
    assert found["versions"]["nodes"]["n0"]["version"][0].isdigit()
    assert found["host"]["cpus"] == os.cpu_count()
    assert found["configuration"] == {"tls": False, "user": "default", "timeout": 2}


def test_durable_is_what_a_replica_has_confirmed(start_server: StartServer) -> None:
    primary = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    eventually(lambda: replica.admin().info("replication")["master_link_status"] == "up", "replication")
    # Several are due at once: KeyDB would forget those behind the first WAIT.
    result = made(LoadSettings(rate=4000, keys=10, duration=0.1, durable=1), primary)
    assert result.is_complete
    assert (result.tally.durable, result.tally.not_durable, result.tally.unknown) == (400, 0, 0)
    assert result.tally.durable_ack.count == 400
    assert values_in(replica) == values_in(primary)


def test_not_durable_without_a_replica(server: Server) -> None:
    result = made(LoadSettings(rate=10, duration=0.3, durable=1), server, timeout="0.4")
    counts = result.as_json()["counts"]
    assert (counts["acknowledged"], counts["durable"], counts["not_durable"]) == (3, 0, 3)
    assert "not durable" in render(result)


def test_goes_on_after_the_server_was_killed_and_started_again(server: Server) -> None:
    async def kill_and_start(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0.5)
        # What is written now is not answered any more.
        server.send(signal.SIGSTOP)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(server.start)

    result = made(LoadSettings(rate=2000, keys=10, duration=1.6), server, act=kill_and_start)
    tally = result.tally
    assert result.is_complete, "what the outage held up is made up for"
    assert 100 <= tally.unknown < 1500
    assert tally.reconnects >= 1
    assert tally.disconnected_ns > 200 * MS
    assert (tally.send_lag.max_ns or 0) > 200 * MS
    assert {value.seq for value in values_in(server).values()} == {320}
    assert sets_executed(server) <= tally.sent - tally.unknown


def test_a_stall_shows_in_every_write_that_it_held_up(server: Server) -> None:
    """A generator that waited for each reply would send one write into the stall, and find a p99 without it."""

    async def stall(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0.3)
        server.send(signal.SIGSTOP)
        await asyncio.sleep(0.5)
        server.send(signal.SIGCONT)

    result = made(LoadSettings(rate=1000, duration=1.2), server, act=stall)
    tally = result.tally
    assert tally.acknowledged == 1200
    p50, p90, p99 = tally.ack.percentiles((50, 90, 99))
    assert p50
    assert p90
    assert p99
    assert tally.ack.max_ns
    # 500 of 1200 waited, as evenly from 500 ms to nothing as they were due.
    assert p50 < 150 * MS
    assert 300 * MS < p90 < p99
    assert 450 * MS < tally.ack.max_ns < 900 * MS
    assert (tally.send_lag.percentile(90) or 0) < 100 * MS, "sending did not wait"


def test_more_than_a_server_takes_is_held_back_and_said(server: Server) -> None:
    async def stall(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0.2)
        server.send(signal.SIGSTOP)
        await asyncio.sleep(0.6)
        server.send(signal.SIGCONT)

    result = made(LoadSettings(rate=500, size=1 << 17, duration=0.8), server, act=stall)
    assert result.is_complete
    assert result.tally.held_back_ns > 100 * MS
    assert not result.kept_up
    assert "did not keep up" in render(result)
    assert result.as_json()["generator_kept_up"] is False


def test_gives_a_silent_server_up(server: Server) -> None:
    async def stall(stop: asyncio.Event) -> None:
        await asyncio.sleep(0.1)
        server.send(signal.SIGSTOP)
        await asyncio.sleep(0.8)
        stop.set()

    result = made(LoadSettings(rate=1000, duration=60), server, act=stall, timeout="0.3")
    server.send(signal.SIGCONT)
    assert not result.is_complete
    assert 200 <= result.tally.unknown <= result.tally.sent < 60_000
    assert result.tally.disconnected_ns > 0


def test_errors_are_counted_by_kind(start_server: StartServer) -> None:
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    result = made(LoadSettings(rate=1000, keys=4, duration=0.2, writers=WriteTo.ALL), primary, replica)
    assert result.writers[0].tally.acknowledged == 100
    assert result.writers[1].tally.failed == {"read-only": 100}
    assert result.as_json()["counts"]["failed"] == {"read-only": 100}
    assert "read-only 100" in render(result)


def test_with_tls(start_server: StartServer, certificates: Certificates) -> None:
    server = start_server(certificates=certificates)
    files = {"tls-ca": certificates.ca, "tls-cert": certificates.client.certificate, "tls-key": certificates.client.key}
    options = {name: str(path) for name, path in files.items()}
    result = made(LoadSettings(rate=5000, duration=0.3), server, tls=True, **options)
    assert result.tally.acknowledged == 1500 == sets_executed(server)
    assert result.as_json()["configuration"]["tls"] is True


def test_does_not_start_with_a_wrong_password(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.admin().config_set("requirepass", "right")
    password = tmp_path / "password"
    password.write_text("wrong\n")
    settings = settings_for(server, **{"password-file": str(password)})
    with pytest.raises(CannotStartError, match=r"n0 .*refuses our user name or password"):
        asyncio.run(run_load(LoadSettings(), settings, LOGGER))
    password.write_text("right\n")
    assert asyncio.run(run_load(LoadSettings(duration=0.1), settings, LOGGER)).tally.acknowledged == 100


def test_does_not_start_without_a_server(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    settings = resolve("status", {"node": ["127.0.0.1:1"], "name": "here"}, {})
    assert show_and_write(LoadSettings(), settings, LOGGER) == 1
    assert caplog.messages == ["load: 127.0.0.1:1: it refuses connections: nothing listens there"]
    assert capsys.readouterr().out == ""


def test_summary_and_file(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "result.json"
    output.write_text("an earlier one")
    load = LoadSettings(rate=1000, duration=0.2, output=output, progress=True)
    assert show_and_write(load, settings_for(server), LOGGER) == 0
    shown = capsys.readouterr()
    assert "acknowledged  200" in shown.out
    assert "in flight" in shown.err
    assert json.loads(output.read_text())["counts"]["acknowledged"] == 200
    assert [path.name for path in tmp_path.glob("result*")] == ["result.json"]
    assert show_and_write(replace(load, output=Path("-"), progress=None), settings_for(server), LOGGER) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["complete"] is True
    assert "acknowledged  200" in shown.err


def test_sigint_ends_it_early_with_a_result(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    assert show_and_write(LoadSettings(duration=60, output=output), settings_for(server), LOGGER) == 0
    timer.join()
    result = json.loads(output.read_text())
    assert result["complete"] is False
    counts = result["counts"]
    assert 100 < counts["sent"] == counts["acknowledged"] == sets_executed(server) < 10_000
    assert counts["not_sent"] == 60_000 - counts["sent"]
