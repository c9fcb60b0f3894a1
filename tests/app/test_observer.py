"""The library: both modes alike, with a user's own reaction, and the examples."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from app_harness import Observe, Process, Server, eventually, free_port, program_environment, written
from keydb_observer import Change, Observer
from keydb_observer.resolution import WrongOptionError

EXAMPLES = Path(__file__).parents[2] / "app" / "examples"

both_modes = pytest.mark.parametrize("mode", ["sync", "async"])


@both_modes
def test_the_handler_gets_each_change_and_then_there_is_an_answer(mode: str, server: Server, observe: Observe) -> None:
    changes: list[Change] = []
    admin = server.admin()
    observe(changes.append, mode=mode, node=f"here={server.address}", key=("shared_key", "orders:*"), name="here")
    eventually(lambda: changes, "it has looked at the key")
    admin.set("shared_key", written(1))
    admin.set("orders:7", "anything else")
    admin.set("orders:7", written(1))
    eventually(lambda: len({change.key for change in changes if change.value}) == 2, "it has seen both")
    first, *_ = changes
    assert (first.key, first.raw, first.value, first.seen) == ("shared_key", None, None, None)
    by_key = {change.key: change for change in changes if change.value}
    assert by_key["shared_key"].value
    assert by_key["shared_key"].value.seq == 1
    assert 0 < (by_key["shared_key"].difference_ns or 0) < 20_000_000_000
    assert by_key["orders:7"].is_news
    for key in ("shared_key", "orders:7"):
        eventually(lambda key=key: admin.exists(f"handshake:here:{mode}:{key}"), "it has answered")


@both_modes
def test_a_handler_that_fails_ends_nothing(
    mode: str, server: Server, observe: Observe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="keydb_observer")

    def fail(_change: Change) -> None:
        raise RuntimeError("somebody else's bug")

    observer = observe(fail, mode=mode, node=server.address)
    eventually(lambda: observer.figures.handler_failures == 1, "it was called")
    server.admin().set("shared_key", written(1))
    eventually(lambda: observer.figures.handler_failures == 2, "it was called again")
    assert f"listener-{mode}: the handler fails at shared_key" in caplog.messages
    assert "somebody else's bug" in caplog.text


def test_a_coroutine_may_take_its_time(server: Server, observe: Observe) -> None:
    """Events of a key come together meanwhile, and the latest value is what it gets next."""
    seen: list[int] = []
    may_go_on = threading.Event()

    async def react(change: Change) -> None:
        if change.value:
            seen.append(change.value.seq)
            await asyncio.to_thread(may_go_on.wait)

    observer = observe(react, mode="async", node=server.address)
    admin = server.admin()
    for seq in range(1, 101):
        admin.set("shared_key", written(seq))
        if seq == 1:
            eventually(lambda: seen == [1], "it has begun")
    may_go_on.set()
    eventually(lambda: seen[-1] == 100, "it has the latest")
    assert len(seen) <= 3
    assert observer.figures.counts.written == 100
    assert observer.figures.counts.missed == 0


@both_modes
def test_stopped_by_its_handler(mode: str, server: Server) -> None:
    observer = Observer(lambda _: observer.stop(), mode=mode, node=server.address)
    thread = threading.Thread(target=observer.run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


@both_modes
def test_within_a_running_loop(mode: str, server: Server) -> None:
    async def use() -> int:
        observer = Observer(lambda _: observer.stop(), mode=mode, node=server.address)
        await asyncio.wait_for(observer.run_async(), 20)
        return observer.figures.reconnects

    assert asyncio.run(use()) == 0


def test_options_are_judged_as_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(WrongOptionError, match="--mode: not given; allowed: sync or async"):
        Observer(print)
    with pytest.raises(WrongOptionError, match="--nodes: no such option"):
        Observer(print, mode="sync", nodes="h:1")
    password = tmp_path / "password"
    password.write_text("secret")
    Observer(print, mode="sync", username="me", password_file=password)


@both_modes
def test_figures_are_served_while_it_runs(mode: str, server: Server, observe: Observe) -> None:
    port = free_port()
    observer = observe(mode=mode, node=server.address, name="here", metrics=f"127.0.0.1:{port}")
    eventually(lambda: observer.figures.node, "it listens")
    server.admin().set("shared_key", written(1))
    eventually(lambda: observer.figures.counts.read == 1, "it reads")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    labels = f'{{host="here",listener="listener-{mode}"}}'
    assert f"keydb_observer_writes_read_total{labels} 1.0" in text
    assert f"keydb_observer_connected{labels} 1.0" in text


def test_an_address_for_figures_that_is_taken(server: Server) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "keydb_observer", "listen", "--mode", "sync", "--metrics", server.address],
        capture_output=True, text=True, timeout=30, check=False, env=program_environment(),
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("keydb-observer: ")
    assert server.address in result.stderr
    assert result.stderr.count("\n") == 1


def example(name: str, *arguments: str) -> Process:
    return Process([sys.executable, "-u", str(EXAMPLES / name), *arguments])


def test_example_late_alarm(server: Server) -> None:
    alarm = example("late_alarm.py", server.address, "shared_key", "0")
    try:
        eventually(lambda: server.admin().pubsub_numsub("__keyspace@0__:shared_key")[0][1] == 1, "it listens")
        server.admin().set("shared_key", written(1))
        alarm.says(r"^late: shared_key took \d+\.\d{6} seconds$")
    finally:
        alarm.end()


def test_example_mirror(server: Server) -> None:
    mirror = example("mirror.py", "load:*", server.address)
    try:
        eventually(lambda: server.admin().pubsub_numpat() == 1, "it listens")
        for seq in (1, 2):
            for key in ("load:1", "load:2"):
                server.admin().set(key, written(seq))
        mirror.says(r"^2 keys, \d read, \d superseded, 0 missed$")
    finally:
        mirror.end()
