#!/usr/bin/env python3
"""Run stages of the tests one after the other and close with what they add up to.

Stages are ``lint``, ``unit`` and ``molecule``. A failed stage does not keep the next one from running. The last lines
are the numbers of tests that passed and failed, and which engines were tested.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "results" / "tests"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# Molecule folds Ansible's lines into a frame of 80 columns, and colours them wherever they go.
READABLE = {"MOLECULE_COMMAND_BORDERS": "0"} | ({} if sys.stdout.isatty() else {"NO_COLOR": "1"})

sys.path.insert(0, str(REPOSITORY / "roles" / "lab_hosts" / "library"))
import lab_engine  # noqa: E402  # the lab's own rule where archives are looked for


@dataclass(frozen=True)
class Stage:
    """One command, where it leaves its JUnit report (if it runs tests) and the engine it covers (if one)."""

    name: str
    command: list[str]
    report: Path | None = None
    engine: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: its exit code, its duration in seconds, and its tests by result."""

    stage: Stage
    exit_code: int
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def count_tests(report: Path) -> tuple[int, int, int]:
    """Numbers of tests that passed, failed (or broke) and were skipped, from a JUnit report; zeros without one."""
    if not report.is_file():
        return 0, 0, 0
    passed = failed = skipped = 0
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        results = {child.tag for child in case}
        if results & {"failure", "error"}:
            failed += 1
        elif "skipped" in results:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def molecule_stages(environment: Mapping[str, str], architecture: str) -> list[Stage]:
    """One stage per engine that can be tested here: KeyDB where an archive is found, Valkey always."""
    # Molecule's own default, a plain "molecule test", is the one that runs anywhere.
    keydb = lab_engine.local_archive(environment, architecture)
    labels = {"keydb": keydb.label if keydb else "", "default": "valkey (Debian)"}
    return [
        Stage(f"molecule {name}", ["molecule", "test", "-s", name], RESULTS / f"{name}.xml", label)
        for name, label in labels.items()
        if label
    ]


def stages_of(names: Iterable[str], environment: Mapping[str, str], architecture: str) -> list[Stage]:
    """The stages that were asked for, in order.

    Raises:
        ValueError: A name is unknown.
    """
    stages = []
    for name in names:
        if name == "lint":
            stages.append(Stage("lint", ["make", "--no-print-directory", "--keep-going", "lint"]))
        elif name == "unit":
            stages.append(Stage("unit", ["make", "--no-print-directory", "unit"], RESULTS / "unit.xml"))
        elif name == "molecule":
            stages.extend(molecule_stages(environment, architecture))
        else:
            raise ValueError(f"unknown stage {name}: allowed are lint, unit, molecule")
    return stages


def run(stage: Stage) -> Outcome:
    """Run a stage with its output shown as it comes."""
    print(f"\n==> {stage.name}: {' '.join(stage.command)}", flush=True)
    if stage.report:
        stage.report.parent.mkdir(parents=True, exist_ok=True)
        stage.report.unlink(missing_ok=True)
    started = time.monotonic()
    exit_code = subprocess.run(
        stage.command, cwd=REPOSITORY, env=os.environ | READABLE, stdin=subprocess.DEVNULL, check=False
    ).returncode
    passed, failed, skipped = count_tests(stage.report) if stage.report else (0, 0, 0)
    # A stage that ran no test, though it should have, or failed outside of its tests counts as one failure.
    if (exit_code or (stage.report and not passed)) and not failed:
        failed = 1
    return Outcome(stage, exit_code, time.monotonic() - started, passed, failed, skipped)


def closing_lines(outcomes: list[Outcome]) -> list[str]:
    """What the run ends with: a line per stage, the sum, and the engines."""
    lines = [""]
    for outcome in outcomes:
        verdict = "FAILED" if outcome.failed else "passed"
        tests = f", {outcome.passed} tests passed, {outcome.failed} failed" if outcome.stage.report else ""
        skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
        lines.append(f"{outcome.stage.name}: {verdict} in {outcome.seconds:.0f} s{tests}{skipped}")
    lines.append(f"{sum(outcome.passed for outcome in outcomes)} passed, {sum(o.failed for o in outcomes)} failed")
    engines = [f"{o.stage.engine} {'FAILED' if o.failed else 'passed'}" for o in outcomes if o.stage.engine]
    if engines:
        lines.append(f"engines: {', '.join(engines)}")
    return lines


def main(names: list[str]) -> int:
    """Run the named stages; the exit code is 0 only if all of them passed."""
    try:
        stages = stages_of(names, os.environ, ARCHITECTURES.get(platform.machine(), platform.machine()))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    outcomes = [run(stage) for stage in stages]
    print("\n".join(closing_lines(outcomes)))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
