"""Both listeners in a storm of faults, against a real server: every write is counted, and counted once.

``SOAK_FAULTS`` is the number of faults (default 150), ``SOAK_SEED`` makes a run again what it was.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import redis
import uvloop
from app_harness import PATIENCE, Server, StartServer, eventually
from keydb_observer.changes import Change
from keydb_observer.figures import Figures
from keydb_observer.listen_async import AsyncListener
from keydb_observer.listen_sync import SyncListener
from keydb_observer.messages import SharedValue
from keydb_observer.resolution import resolve
from keydb_observer.trouble import Backoff

FAULTS = int(os.environ.get("SOAK_FAULTS", "150"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
TIMEOUT_S = 0.2
BACKOFF_CAP_S = 0.05
# The watchdog gives up after two timeouts of silence, one more may pass in a connection attempt, then there is the
# back-off. The rest is for a busy machine.
BOUND_S = 3 * TIMEOUT_S + BACKOFF_CAP_S + 2.0


@dataclass
class Watch:
    """A listener in a thread, and the latest write that it has read."""

    mode: str
    port: int
    latest: tuple[int, int] = (0, 0)
    first: tuple[int, int] | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        options = {"mode": self.mode, "node": [f"here=127.0.0.1:{self.port}"], "name": "here", "timeout": TIMEOUT_S}
        settings = resolve("listen", options, {})
        logger = logging.getLogger(f"soak.{self.mode}")
        kind = SyncListener if self.mode == "sync" else AsyncListener
        self.listener = kind(settings, logger, self.see, backoff=lambda: Backoff(0.002, BACKOFF_CAP_S))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        if isinstance(self.listener, AsyncListener):
            uvloop.run(self.listener.run())
        else:
            self.listener.run()

    @property
    def figures(self) -> Figures:
        return self.listener.figures

    def see(self, change: Change) -> None:
        if change.value and change.is_news:
            self.latest = (change.value.epoch, change.value.seq)
            self.first = self.first or self.latest

    def stop(self) -> None:
        self.listener.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "it hangs"


class Storm:
    """The writer of the key, and everything that can go wrong. ``written`` counts what it wrote."""

    def __init__(self, server: Server, watches: list[Watch], seed: int) -> None:
        self.server = server
        self.watches = watches
        self.random = random.Random(seed)  # noqa: S311 - chance that can be had again
        self.admin = server.admin()
        self.epoch, self.seq, self.written = 1, 0, 0
        self.before = 0
        self.slowest_s = 0.0
        self.faults: dict[str, int] = {}

    def write(self, count: int = 1) -> None:
        pipeline = self.admin.pipeline(transaction=False)
        for _ in range(count):
            self.seq += 1
            self.written += 1
            value = SharedValue("storm", self.epoch, self.seq, time.time_ns(), before=self.before)
            pipeline.set("shared_key", value.encode())
        pipeline.execute()

    def settle(self) -> None:
        """Writes once more, and waits until both have read it: how long that takes is what a fault costs at most."""
        self.write()
        began = time.monotonic()
        eventually(
            lambda: all(watch.latest == (self.epoch, self.seq) for watch in self.watches),
            f"both read seq {self.seq} of epoch {self.epoch}: {[watch.latest for watch in self.watches]}",
        )
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def disconnect(self) -> None:
        with contextlib.suppress(redis.ResponseError):
            for client in self.admin.client_list():
                if client["name"].startswith("listener") and self.random.random() < 0.7:
                    self.admin.client_kill_filter(_id=client["id"])

    def garbage(self) -> None:
        self.random.choice(
            [
                lambda: self.admin.set("shared_key", "garbage"),
                lambda: self.admin.set("shared_key", b"\xff{}" * self.random.randrange(1, 1000)),
                lambda: self.admin.set("shared_key", b"[" * 10_000),
                lambda: self.admin.set("shared_key", b'{"writer":"storm","epoch":1,"seq":-1,"t1_ns":1}'),
                lambda: self.admin.delete("shared_key"),
                lambda: (self.admin.rpush("a_list", "x"), self.admin.rename("a_list", "shared_key")),
            ]
        )()

    def restart_writer(self) -> None:
        self.before = self.written
        self.epoch, self.seq = self.epoch + 1, 0
        # It writes at least once, or nobody could know of it.
        self.write()

    def restart_server(self) -> None:
        self.server.kill()
        time.sleep(self.random.uniform(0, 0.05))
        self.server.start()
        self.admin = self.server.admin()

    def stall(self) -> None:
        """Longer than the watchdog waits, or shorter."""
        self.server.send(signal.SIGSTOP)
        time.sleep(self.random.choice([0.05, 2.5 * TIMEOUT_S]))
        self.server.send(signal.SIGCONT)

    def blow(self, faults: int) -> None:
        kinds: list[tuple[Callable[[], None], int]] = [
            (self.disconnect, 60),
            (self.garbage, 28),
            (self.restart_writer, 8),
            (self.restart_server, 2),
            (self.stall, 2),
        ]
        self.settle()
        for _ in range(faults):
            (fault,) = self.random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
            self.faults[fault.__name__] = self.faults.get(fault.__name__, 0) + 1
            self.write(self.random.choice([0, 1, 1, 5]))
            fault()
            self.write(self.random.choice([0, 1, 1, 5, 50]))
            if self.random.random() < 0.5:
                self.settle()
        self.settle()


@pytest.fixture
def watches() -> Iterator[Callable[[Server], list[Watch]]]:
    started: list[Watch] = []

    def start(server: Server) -> list[Watch]:
        started.extend(Watch(mode, server.port) for mode in ("sync", "async"))
        return started

    yield start
    for watch in started:
        watch.stop()


def test_missed_and_seen_are_what_was_written(
    start_server: StartServer, watches: Callable[[Server], list[Watch]], capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server()
    listeners = watches(server)
    storm = Storm(server, listeners, SEED)
    storm.blow(FAULTS)
    with capsys.disabled():
        print(f"\n{server.engine}: {storm.written} written, {storm.faults}, slowest {storm.slowest_s:.2f} s")
        for watch in listeners:
            print(f"  {watch.mode}: {watch.figures.counts}, {watch.figures.reconnects} reconnects")
    for watch in listeners:
        counts = watch.figures.counts
        assert watch.first == (1, 1)
        assert counts.missed + counts.seen == storm.written
        assert counts.reordered == 0
        assert counts.foreign > 0
        assert watch.figures.reconnects > 0
    assert storm.slowest_s < BOUND_S


def test_without_faults_nothing_is_missed(server: Server, watches: Callable[[Server], list[Watch]]) -> None:
    listeners = watches(server)
    storm = Storm(server, listeners, SEED)
    storm.settle()
    for _ in range(50):
        storm.write(storm.random.randrange(1, 500))
    storm.settle()
    for watch in listeners:
        counts = watch.figures.counts
        assert (counts.missed, counts.repeated, counts.reordered, counts.foreign) == (0, 0, 0, 0)
        assert counts.seen == counts.events == storm.written
        assert counts.superseded > 0, "it was too slow a storm to show anything"
