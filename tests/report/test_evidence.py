"""What "make evidence" runs, and in which order. Its playbooks are replaced by what writes down that it was called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def evidence(directory: Path, failing: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A run in this directory in which one playbook fails, and the arguments of all that were called."""
    program = directory / "bin" / "ansible-playbook"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>calls\ncase "$*" in *{failing}*) exit 2;; esac\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "-f", PROJECT / "Makefile", "-o", "venv", "evidence", f"PATH={path}"],
        cwd=directory,
        env={key: value for key, value in os.environ.items() if not key.startswith(("LAB_", "MAKE"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done, (directory / "calls").read_text(encoding="utf-8").splitlines()


def test_a_step_that_finds_something_does_not_keep_the_report_from_being_made(tmp_path: Path) -> None:
    done, calls = evidence(tmp_path, "faults.yml")
    assert done.returncode == 0, done.stderr
    assert "faults.yml -e faults_count=6 has found something" in done.stdout
    inventory = "-i .lab/inventory playbooks"
    assert calls == [
        "-i localhost, playbooks/lab_up.yml",
        f"{inventory}/site.yml",
        f"{inventory}/check_hosts.yml",
        f"{inventory}/network_matrix.yml",
        f"{inventory}/verify.yml",
        f"{inventory}/bench.yml -e bench_scale=small",
        f"{inventory}/faults.yml -e faults_count=6",
        f"{inventory}/capture.yml",
        "playbooks/report.yml",
    ]


def test_nothing_of_an_earlier_run_gets_into_the_report(tmp_path: Path) -> None:
    latest = tmp_path / "results" / "bench" / "latest.json"
    kept = latest.parent / "20261126T010000Z" / "result.json"
    kept.parent.mkdir(parents=True)
    for file in (latest, kept):
        file.write_text("{}", encoding="utf-8")
    evidence(tmp_path, "nothing")
    assert not latest.exists()
    assert kept.exists()


def test_without_a_cluster_there_is_no_evidence(tmp_path: Path) -> None:
    done, calls = evidence(tmp_path, "site.yml")
    assert done.returncode != 0
    assert len(calls) == 2
