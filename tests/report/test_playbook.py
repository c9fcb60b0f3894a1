"""The playbook as its user has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from report_results import everything, lay_down

PROJECT = Path(__file__).resolve().parents[2]


def play(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "playbooks/report.yml",
            "-e",
            f"report_results_dir={results}",
            *arguments,
        ],
        cwd=PROJECT,
        env=environment
        | {"PWD": str(PROJECT), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(results.parent / "tmp")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_it_writes_the_page_its_twin_and_the_answers_and_says_them(tmp_path: Path) -> None:
    results = lay_down(tmp_path / "results", everything())
    before = lay_down(tmp_path / "before", everything())
    done = play(results, "-e", f"report_baseline={os.path.relpath(before, PROJECT)}", "-e", "report_enough=9000")
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((results / "report" / "answers.json").read_text(encoding="utf-8"))
    assert written["settings"] == {"enough": 9000}
    said = " ".join(done.stdout.split())
    assert all(f"{each['verdict'].upper()}: {each['sentence']}" in said for each in written["answers"])
    assert "not enough for the 9,000 events/s that were asked for" in said
    assert "Against the baseline" in (results / "report" / "index.html").read_text(encoding="utf-8")
    assert (results / "report" / "report.md").read_text(encoding="utf-8").startswith("# What the cluster has shown\n")


def test_without_any_result_there_is_a_report_all_the_same(tmp_path: Path) -> None:
    done = play(tmp_path / "nothing")
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "nothing" / "report" / "answers.json").read_text(encoding="utf-8"))
    assert [each["verdict"] for each in written["answers"]] == ["not measured"] * 5


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("report_baseline=/nowhere", 'report_baseline is "/nowhere", and there is no such file or directory'),
        ("report_enough=0", "report_enough is 0, and has to be more than 0 events per second"),
        ("report_enough=many", "report_enough"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, argument: str, said: str) -> None:
    done = play(tmp_path / "results", "-e", argument)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "results").exists()
