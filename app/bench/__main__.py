"""Run the benchmark: ``make bench``, or ``python -m bench --help``."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from bench.benchmark import PLAIN, Benchmark, Case, Results
from bench.contenders import CONTENDERS
from bench.engines import Engine, NoEngineError, find_engines
from bench.memory import WARMUP_S, Memory, watch
from bench.options import Options, parse
from bench.plot import draw
from bench.report import LATEST, Report, memory_lines, rates_of, render, write
from bench.screen import Screen
from bench.server import running
from bench.trial import BrokenError, Rig

_LIBRARIES = ("redis", "hiredis", "msgspec", "uvloop", "numpy", "matplotlib", "cryptography")
_WATCHED = ("ours-async", "ours-sync")
EXIT_BROKEN, EXIT_WRONG_USE, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: list[str]) -> int:
    """0 when everything could be measured, whatever came of it."""
    options = parse(arguments, os.environ)
    screen = Screen(sys.stdout)
    # What was started is stopped on the way out.
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with tempfile.TemporaryDirectory(prefix="keydb-bench-") as made:
            directory = Path(made)
            engines = find_engines(options.engines, os.environ, directory)
            if options.memory_only:
                return _memory_only(options, engines, directory, screen)
            return _benchmark(options, engines, directory, screen)
    except NoEngineError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG_USE
    except KeyboardInterrupt:
        screen.line("interrupted: no results are kept")
        return EXIT_INTERRUPTED


def _interrupted(*_signal: object) -> NoReturn:
    raise KeyboardInterrupt


def _benchmark(options: Options, engines: list[Engine], directory: Path, screen: Screen) -> int:
    started_ns, began = time.time_ns(), time.monotonic()
    for name in options.contenders:
        screen.line(f"  {name:<18} {CONTENDERS[name].text}")
    results = Benchmark(options, engines, directory, screen).run()
    memory: dict[Case, Memory] = {}
    if options.memory_s:
        rates = {case: float(measured.latest_rate or 0) for case, measured in results.cases.items()}
        memory = _watch_all(options, engines, directory, screen, rates)
    duration_s = time.monotonic() - began
    report = Report(options, tuple(engines), results, started_ns, duration_s, _versions(), memory)
    for line in render(report):
        screen.line(line)
    screen.line()
    latest = options.output / LATEST
    write(report.as_json(), latest)
    for file in (latest, *draw(results, engines, options.output)):
        screen.line(f"  {file}")
    screen.line(f"{duration_s / 60:.1f} minutes")
    return 0 if _has_worked(results) else EXIT_BROKEN


def _has_worked(results: Results) -> bool:
    """Whether every contender held some rate at least once."""
    return bool(results.cases) and all(measured.latest_rate for measured in results.cases.values())


def _memory_only(options: Options, engines: list[Engine], directory: Path, screen: Screen) -> int:
    latest = options.output / LATEST
    try:
        document: dict[str, Any] = json.loads(latest.read_bytes())
    except (OSError, ValueError) as error:
        print(f"the rates come from the benchmark's results, which cannot be read: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    cases = [Case(engine.name, PLAIN, name) for engine in engines for name in _WATCHED]
    rates = {case: rates_of(document, case) or 0.0 for case in cases}
    memory = _watch_all(options, engines, directory, screen, rates)
    for line in memory_lines(memory):
        screen.line(line)
    document["memory"] = Report(options, (), Results(), 0, 0, {}, memory).as_json()["memory"]
    write(document, latest)
    return 0 if memory else EXIT_BROKEN


def _watch_all(
    options: Options, engines: list[Engine], directory: Path, screen: Screen, rates: dict[Case, float]
) -> dict[Case, Memory]:
    found = {}
    for engine in engines:
        with running(engine, None, directory) as server:
            rig = Rig(server, None, directory)
            for name in _WATCHED:
                case = Case(engine.name, PLAIN, name)
                rate = int(rates.get(case, 0.0) / 2)
                if not rate:
                    screen.line(f"{case}: its rate is not known")
                    continue
                screen.doing(f"{case}: memory at {rate:,}/s for {options.memory_s + WARMUP_S} s")
                try:
                    found[case] = watch(rig, name, rate, options.keys, options.memory_s, directory)
                except (BrokenError, OSError, ValueError) as error:
                    screen.line(f"{case}: {error}")
    return found


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "none"
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
