"""Which node a listener goes to when its own is away, that it comes home, and being too slow for a server."""

from __future__ import annotations

import logging
import time

import pytest
from app_harness import Observe, Server, StartProgram, StartServer, eventually, free_port, written
from keydb_observer import Change
from keydb_observer.nodes import Node
from keydb_observer.route import Route
from keydb_observer.trouble import Backoff

both_modes = pytest.mark.parametrize("mode", ["sync", "async"])
NODES = [Node(name, "h", number) for number, name in enumerate("abc", 1)]


def test_the_next_node_is_tried_at_once_until_all_were() -> None:
    route = Route(NODES, Backoff(first_s=8, cap_s=8))
    assert (route.node.name, route.is_home) == ("a", True)
    assert route.refused() == 0
    assert (route.node.name, route.is_home) == ("b", False)
    assert route.refused() == 0
    assert route.node.name == "c"
    assert route.refused() >= 4, "all of them were tried: time to wait"
    assert route.node.name == "a"


def test_a_broken_connection_does_not_make_a_node_away() -> None:
    route = Route(NODES, Backoff(first_s=8, cap_s=8))
    route.refused()
    route.connected()
    assert route.lost() >= 4
    assert route.node.name == "b"
    route.came_home()
    assert route.node.name == "a"


@both_modes
def test_it_moves_on_and_comes_home(mode: str, start_server: StartServer, start_program: StartProgram) -> None:
    home, other = start_server(), start_server()
    for server in (home, other):
        server.admin().set("shared_key", written(1))
    listener = start_program(
        "--node", f"home={home.address}", "--node", f"other={other.address}", "--name", "here", "--timeout", "0.5",
        "listen", "--mode", mode,
    )  # fmt: skip
    listener.says("found on subscribing shared_key: .* seq 1,")
    home.kill()
    listener.says(r"reading from home .*: it refuses connections: nothing listens there$")
    listener.says(r"was blind for \d+\.\d{3} seconds, and has read 1 key again at other: missed 0, superseded 0$")
    other.admin().set("shared_key", written(2))
    listener.says("read shared_key: .* seq 2, Time difference")
    eventually(lambda: b'"seq":2' in (other.admin().get(f"handshake:here:{mode}") or b""), "it answers there")
    home.start()
    home.admin().set("shared_key", written(4))
    listener.says(r"has read 1 key again at home: missed 1, superseded 0$")
    home.admin().set("shared_key", written(5))
    listener.says("read shared_key: .* seq 5, Time difference")
    eventually(lambda: b'"seq":5' in (home.admin().get(f"handshake:here:{mode}") or b""), "it answers at home")


@both_modes
def test_it_starts_where_it_can(mode: str, server: Server, start_program: StartProgram) -> None:
    listener = start_program(
        "--node", f"nowhere=127.0.0.1:{free_port()}", "--node", f"here={server.address}", "--timeout", "0.5",
        "listen", "--mode", mode,
    )  # fmt: skip
    listener.says("reading from nowhere .*: it refuses connections")
    server.admin().set("shared_key", written(1))
    listener.says("seq 1")


class SlowReader:
    """A handler that takes its time, once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_slow = False
        self.latest = 0

    def __call__(self, change: Change) -> None:
        if change.value:
            self.latest = change.value.seq
        if self.latest == 2:
            self.is_slow = True
            time.sleep(self.seconds)


@both_modes
def test_a_slow_consumer_says_so(
    mode: str, start_server: StartServer, caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    caplog.set_level(logging.INFO, logger="keydb_observer")
    server = start_server("--client-output-buffer-limit", "pubsub", "256kb", "0", "0")
    admin = server.admin()
    handler = SlowReader(3)
    observer = observe(handler, mode=mode, node=f"here={server.address}", name="here", timeout=5)
    admin.set("shared_key", written(1))
    eventually(lambda: handler.latest == 1, "it reads")
    admin.set("shared_key", written(2))
    eventually(lambda: handler.is_slow, "it is busy")
    value = written(2)
    for _ in range(300):
        pipeline = admin.pipeline(transaction=False)
        for _ in range(1000):
            pipeline.set("shared_key", value)
        pipeline.execute()
        if not any(client["sub"] == "1" for client in admin.client_list()):
            break
    admin.set("shared_key", written(3))
    eventually(lambda: handler.latest == 3, "it reads again")
    assert observer.figures.slow_consumer_disconnects == 1
    assert any("we are a slow consumer, and it closed the connection" in message for message in caplog.messages)
