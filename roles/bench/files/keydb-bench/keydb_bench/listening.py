"""Both listeners, each as a unit of its own, so that one may be held back by a drop-in as it may in production."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keydb_bench import units
from keydb_bench.host import PROGRAM, CommandError, Host

_READY_WITHIN_S = 60.0
_ENDS_WITHIN_S = 30.0
_LOOK_S = 0.02
# Of a load and of those that listen to it.
PREFIX = "load:"


@contextlib.contextmanager
def listening(
    host: Host, given: Mapping[str, Any], writes: int, step_ns: float, warmup_s: float
) -> Iterator[Listeners]:
    """Both listeners, which have subscribed, until the end. Raises CommandError."""
    listeners = Listeners(host, given, writes, step_ns, warmup_s)
    try:
        listeners.start()
        yield listeners
    finally:
        listeners.stop()


class Listeners:
    """``writes`` is how many they end after, ``step_ns`` the time between two writes of one key."""

    def __init__(self, host: Host, given: Mapping[str, Any], writes: int, step_ns: float, warmup_s: float) -> None:
        self._host = host
        self._given = given
        self._numbers = (str(writes), repr(step_ns), str(int(warmup_s * 1e9)))

    def start(self) -> None:
        """Start them, and wait until both have subscribed. Raises CommandError."""
        units.stop(self._host, list(units.LISTENERS.values()))
        for mode, unit in units.LISTENERS.items():
            self._start(mode, unit)
        deadline = time.monotonic() + _READY_WITHIN_S
        for unit in units.LISTENERS.values():
            while not (_directory(unit) / "ready").exists():
                if time.monotonic() > deadline or self._host.property(unit, "ActiveState") != "active":
                    raise CommandError(f"{unit} has not subscribed: {units.why(self._host, unit)}")
                time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Stop those that have not ended."""
        units.stop(self._host, list(units.LISTENERS.values()))
        for unit in units.LISTENERS.values():
            forget(unit)

    def finish(self, catch_up_s: float) -> dict[str, dict[str, Any]]:
        """What each has seen, given so many seconds to catch up. Raises CommandError."""
        deadline = time.monotonic() + catch_up_s
        results = {unit: _directory(unit) / "result.json" for unit in units.LISTENERS.values()}
        while time.monotonic() < deadline and not all(path.exists() for path in results.values()):
            time.sleep(_LOOK_S)
        late = [unit for unit, path in results.items() if not path.exists()]
        for unit in late:
            self._host.tried("systemctl", "kill", "--signal=TERM", unit)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        found = {}
        for mode, unit in units.LISTENERS.items():
            while not results[unit].exists():
                if time.monotonic() > deadline:
                    raise CommandError(f"{unit} has left no result: {units.why(self._host, unit)}")
                time.sleep(_LOOK_S)
            found[mode] = json.loads(results[unit].read_text("utf-8")) | {"caught_up": unit not in late}
        return found

    def _start(self, mode: str, unit: str) -> None:
        host, given = self._host, self._given
        tls, authentication = given["tls"], given["authentication"]
        name = unit.removesuffix(".service")
        properties = [
            "DynamicUser=yes",
            f"RuntimeDirectory={name}",
            # What it has seen outlives it until it is read.
            "RuntimeDirectoryPreserve=yes",
            *units.credentials(host, tls=tls, authentication=authentication),
        ]
        forget(unit)
        writes, step_ns, warmup_ns = self._numbers
        command = units.arguments(host, unit, f"Listener of a benchmark, {mode}", *properties)
        command += [str(host.observer_python), "-B", str(PROGRAM / "listener.py"), "--mode", mode]
        command += ["--writes", writes, "--step-ns", step_ns, "--warmup-ns", warmup_ns]
        command += ["--directory", f"/run/{name}", "--name", "bench", "--key", f"{PREFIX}*"]
        command += ["--node", f"{given['server']}:{host.first_port}"]
        host.run(*command, *units.client_options(host, unit, tls=tls, authentication=authentication))


def forget(unit: str) -> None:
    """Take away what a listener has left."""
    directory = _directory(unit)
    # With a user of the moment it is a link to where only root can look.
    shutil.rmtree(directory.resolve(), ignore_errors=True)
    directory.unlink(missing_ok=True)


def _directory(unit: str) -> Path:
    return Path("/run", unit.removesuffix(".service"))
