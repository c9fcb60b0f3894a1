"""A mesh whose nodes are started as the unit does it: what runs before the server, the server, and what runs after."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keydb_node
import redis
from roles_render import NODES, ROLES
from roles_servers import PATIENCE, Servers

_PROGRAM = ROLES / "keydb" / "files" / "keydb-join"


@dataclass
class Mesh(Servers):
    """Three nodes that join, or not: ``joins``."""

    joins: bool = True
    said: dict[str, str] = field(default_factory=dict)

    def prepare(self, name: str) -> None:
        """What the unit runs before the server."""
        self._join(name, "prepare")

    def serve(self, name: str) -> None:
        """The server, and what the unit runs after it."""
        self.start(name, self.directory / name / "run" / "keydb.conf")
        self._join(name, "complete")

    def bring_up(self, name: str) -> None:
        """All that the unit does for one node."""
        if self.joins:
            self.prepare(name)
            self.serve(name)
        else:
            self.start(name)

    def bring_all_up(self) -> None:
        """All nodes at the same time, as after a power cut."""
        threads = [threading.Thread(target=self.bring_up, args=(name,)) for name in NODES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wait_until_ready()

    def stop(self, name: str) -> None:
        """An orderly stop, which the server is told again until it does so."""
        process = self.processes.pop(name)
        until = time.monotonic() + PATIENCE
        while process.poll() is None:
            assert time.monotonic() < until, f"{name} does not stop:\n{self.log(name)}"
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)

    def client(self, name: str, user: str = "storm") -> redis.Redis:
        """A new connection to one node."""
        return keydb_node.connect(self.connection(name, user), timeout=2.0)

    def append_only_file(self, name: str) -> bytes:
        """What a node has written to its append-only file, which may be later than it answered."""
        return (self.directory / name / "data" / self.engine / "appendonly.aof").read_bytes()

    def writes_its_file_anew(self, name: str) -> bool:
        """Whether a node's append-only file is yet to be replaced by a new one."""
        found = self.client(name, "health").info("persistence")
        return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])

    def values(self, name: str) -> dict[str, str | None]:
        """What a node has of the storm's keys."""
        client = self.client(name)
        keys = sorted(client.scan_iter("storm:*", count=1000))
        return {key: client.get(key) for key in keys}

    def _join(self, name: str, command: str) -> None:
        settings = self.config(name).with_name("join.json")
        done = subprocess.run(
            [sys.executable, "-B", str(_PROGRAM), command, str(settings)],
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command} on {name}: {done.stderr}\n{self.log(name)}"
        self.said[name] = self.said.get(name, "") + done.stderr


MakeMesh = Callable[..., Mesh]
"""Makes a mesh that serves. ``joins`` as for Mesh; all else overrides variables of the role."""


class Load:
    """Writes to every node at once, each to keys that it alone writes, and remembers what at least two nodes have.

    Of every key the last write or deletion counts, and only if ``WAIT 1`` confirmed it. ``cut_off`` are those keys
    whose last one was under way when its node was ended: it may have come to one of the others alone.
    """

    def __init__(self, mesh: Mesh, keys: int = 200, pause_s: float = 0.01) -> None:
        self._mesh = mesh
        self._keys = keys
        self._pause_s = pause_s
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(name,)) for name in NODES]
        self.open = {name: threading.Event() for name in NODES}
        self.durable: dict[str, str | None] = {}
        self.cut_off: set[str] = set()
        self.confirmed = 0

    def __enter__(self) -> Load:  # noqa: PYI034 - typing.Self is not in every Python that this runs on
        for name in NODES:
            self.open[name].set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _write(self, name: str) -> None:
        choice = random.Random(name)  # noqa: S311 - the same load each time
        client: redis.Redis | None = None
        number = 0
        while not self._end.is_set():
            time.sleep(self._pause_s)
            if not self.open[name].is_set():
                client = None
                continue
            key = f"storm:{name}:{choice.randrange(self._keys)}"
            number += 1
            wanted = None if choice.random() < 0.4 else f"{number}"
            # From here until it is confirmed nothing is known of this key.
            self.durable.pop(key, None)
            try:
                client = client or self._mesh.client(name)
                if wanted is None:
                    client.delete(key)
                else:
                    client.set(key, wanted)
                is_confirmed = client.wait(1, 300) >= 1
            except (redis.RedisError, OSError):
                client, is_confirmed = None, False
            if is_confirmed:
                self.durable[key] = wanted
                self.confirmed += 1
                self.cut_off.discard(key)
            elif not self.open[name].is_set():
                self.cut_off.add(key)


@dataclass(frozen=True)
class Found:
    """Keys that are not as they should be after a run: by what is the matter with them.

    Nodes may differ in a key that was cut off: joining does not see to that, healing does.
    """

    lost: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    differing: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return ", ".join(f"{len(keys)} {name}" for name, keys in vars(self).items())

    @classmethod
    def of(cls, mesh: Mesh, load: Load) -> Found:
        """Compare all nodes with each other and with what was confirmed."""
        nodes = [mesh.values(name) for name in NODES]
        lost, back, stale = set(), set(), set()
        for key, wanted in load.durable.items():
            for values in nodes:
                if values.get(key) == wanted:
                    continue
                (back if wanted is None else lost if key not in values else stale).add(key)
        keys = {key for values in nodes for key in values} - load.cut_off
        differing = {key for key in keys if len({values.get(key) for values in nodes}) > 1}
        return cls(frozenset(lost), frozenset(back), frozenset(stale), frozenset(differing))


def break_it(mesh: Mesh, load: Load, faults: int, seed: int) -> list[float]:
    """Kill or stop one node after the other, and bring each up again, while the load goes on at the others.

    Returns the seconds from each start until all links were up.
    """
    choice = random.Random(seed)  # noqa: S311 - the same faults for the same seed
    took_s = []
    for _ in range(faults):
        name = choice.choice(NODES)
        load.open[name].clear()
        (mesh.kill if choice.random() < 0.6 else mesh.stop)(name)
        time.sleep(choice.uniform(0.1, 1.5))
        began = time.monotonic()
        mesh.bring_up(name)
        mesh.wait_until_ready()
        took_s.append(time.monotonic() - began)
        load.open[name].set()
        time.sleep(choice.uniform(0.5, 1.5))
    return took_s
