"""One window: one contender, one rate. Everything that is started here has ended when it is over."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from keydb_observer.load_plan import Plan as LoadPlan

from bench.figures import Lags
from bench.job import HOST, PREFIX, Job
from bench.lags import Plan, delays, handled
from bench.record import READY, Record
from bench.search import Outcome
from bench.server import Server

IN_TIME_MS = 100
IN_TIME_SHARE = 0.99
_READY_WITHIN_S = 20.0
_GENERATOR_LATE_S = 15.0
_ENDS_WITHIN_S = 5.0
# A listener that is further behind than this when the load is over has failed, whatever it does then.
_CATCH_UP_S = 0.5

_Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Load:
    """What the generator is to do: ``warmup_s`` and then ``seconds`` at ``rate`` writes/s over ``keys`` keys."""

    rate: int
    keys: int
    warmup_s: int
    seconds: int

    @property
    def duration_s(self) -> int:
        """Of all of it."""
        return self.warmup_s + self.seconds

    @property
    def writes(self) -> int:
        """How many there are, by the generator's own rule."""
        return LoadPlan(self.rate, self.keys, 0, self.duration_s, PREFIX, ("bench",), 1).total


@dataclass(frozen=True)
class Window:
    """What it showed. Delays are counted from when a write was to be sent, in ns. CPU times are in s.

    ``unhandled`` are writes that the contender was not done with when the window was closed, ``missed`` those that it
    says it will never see, and ``events`` those that it saw (None: it cannot tell). ``send_lag`` is how late the
    generator sent. ``contender_cpu_s`` is without the contender's start; ``children_cpu_s`` is all that it and the
    generator used.
    """

    rate: int
    seconds: int
    writes: int
    unhandled: int
    missed: int | None
    events: int | None
    in_time: float
    until_done: Lags | None
    until_seen: Lags | None
    send_lag: dict[str, int | None]
    generator_kept_up: bool
    contender_cpu_s: float
    server_cpu_s: float
    children_cpu_s: float
    broken: str = ""

    @property
    def is_lossless(self) -> bool:
        """Whether every write was seen and handled."""
        return not self.unhandled and not self.missed and self.events in (None, self.writes)

    @property
    def outcome(self) -> Outcome:
        """Whether the rate holds.

        It does so whatever the generator was late, for that is a part of every lag; only where it does not hold has
        the generator to be asked.
        """
        if self.broken:
            return Outcome.BROKEN
        if self.in_time >= IN_TIME_SHARE and self.is_lossless:
            return Outcome.HOLDS
        return Outcome.TOO_FAST if self.generator_kept_up else Outcome.GENERATOR_BEHIND


def broken(load: Load, reason: str) -> Window:
    """A window that shows nothing but that something did not work."""
    return Window(
        load.rate, load.seconds, load.writes, load.writes, None, None, 0.0, None, None, {}, True, 0.0, 0.0, 0.0, reason
    )


class BrokenError(Exception):
    """A process did not do what it should, for the reason in the text."""


class Rig:
    """Where windows are measured: at one server, plainly or over TLS.

    ``facts`` is what the generator said of host and versions.
    """

    def __init__(self, server: Server, ca: Path | None, directory: Path) -> None:
        self.facts: dict[str, Any] = {}
        self._server = server
        self._ca = ca
        self._directory = directory
        self._port = server.tls_port if ca else server.port

    def window(self, contender: str, load: Load) -> Window:
        """Measures. A contender that breaks makes a broken window."""
        self._server.empty()
        record_file = self._directory / "record"
        record_file.unlink(missing_ok=True)
        server_cpu_s, children_cpu_s = self._server.cpu_s(), _children_cpu_s()
        try:
            with self.running(contender, load, record_file) as process:
                result = self._generate(load)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_CATCH_UP_S)
            record = Record.read(record_file)
        except (BrokenError, OSError, ValueError) as error:
            return broken(load, str(error))
        children_cpu_s = _children_cpu_s() - children_cpu_s
        plan = Plan(load.rate, load.keys, load.writes, result["plan"]["epoch"])
        times = handled(plan, record)
        summary = record.summary
        late = delays(plan, times, summary.ended_ns, load.warmup_s, IN_TIME_MS * 1_000_000)
        self.facts = {name: result[name] for name in ("versions", "host") if name in result}
        return Window(
            load.rate,
            load.seconds,
            load.writes,
            times.unhandled,
            summary.missed,
            summary.events,
            late.in_time / len(late.until_done),
            Lags.of(late.until_done),
            Lags.of(late.until_seen),
            {name: result["histograms"]["send_lag"][name] for name in ("p50_ns", "p99_ns", "max_ns")},
            bool(result["generator_kept_up"]),
            summary.cpu_s,
            self._server.cpu_s() - server_cpu_s,
            children_cpu_s,
        )

    @contextlib.contextmanager
    def running(self, contender: str, load: Load, record: Path, *, keeps_rows: bool = True) -> Iterator[_Process]:
        """The contender, once it has subscribed. At the end it is made to leave its record. Raises BrokenError."""
        job = Job(self._port, load.writes, record, keeps_rows, self._ca)
        command = [sys.executable, "-m", "bench.contender", contender, *job.arguments]
        log = self._directory / "contender.log"
        with (
            log.open("wb") as err,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, env=child_environment()) as process,
        ):
            try:
                _await_ready(process, contender, log)
                yield process
            finally:
                _end(process)
        if process.returncode:
            raise BrokenError(f"{contender} ended with {process.returncode}: {_last_line(log)}")

    def _generate(self, load: Load) -> dict[str, Any]:
        output, log = self._directory / "load.json", self._directory / "load.log"
        output.unlink(missing_ok=True)
        command = self.generator(load, output)
        with log.open("wb") as out:
            try:
                code = subprocess.run(
                    command,
                    stdout=out,
                    stderr=out,
                    timeout=load.duration_s + _GENERATOR_LATE_S,
                    check=False,
                    env=child_environment(),
                ).returncode
            except subprocess.TimeoutExpired as error:
                raise BrokenError(f"the generator did not end within {error.timeout:g} s") from None
        if code or not output.is_file():
            raise BrokenError(f"the generator ended with {code}: {_last_line(log)}")
        result: dict[str, Any] = json.loads(output.read_bytes())
        return result

    def generator(self, load: Load, output: Path) -> list[str]:
        """The command that makes this load."""
        command = [sys.executable, "-m", "keydb_observer", "load", "--node", f"{HOST}:{self._port}"]
        command += ["--rate", str(load.rate), "--keys", str(load.keys), "--duration", str(load.duration_s)]
        command += ["--prefix", PREFIX, "--output", str(output), "--no-progress"]
        return command + (["--tls", "--tls-ca", str(self._ca)] if self._ca else [])


def child_environment() -> dict[str, str]:
    """For a run of children that find what this one found, and are told nothing else."""
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYDB_OBSERVER_")}
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def _await_ready(process: _Process, contender: str, log: Path) -> None:
    out = cast("IO[bytes]", process.stdout)
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        said = out.readline() if selector.select(_READY_WITHIN_S) else b""
    if said.strip() != READY.encode():
        raise BrokenError(f"{contender} did not subscribe within {_READY_WITHIN_S:g} s: {_last_line(log)}")


def _end(process: _Process) -> None:
    for end in (process.terminate, process.kill):
        if process.poll() is None:
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_WITHIN_S)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
