"""What a run of the tests ends with."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_tests
from run_tests import Outcome, Stage

REPORT = """\
<testsuites><testsuite>
  <testcase name="a"/><testcase name="b"/>
  <testcase name="c"><failure message="no"/></testcase>
  <testcase name="d"><error message="no"/></testcase>
  <testcase name="e"><skipped message="no"/></testcase>
</testsuite></testsuites>
"""


def test_counts_tests_by_result(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT, encoding="utf-8")
    assert run_tests.count_tests(report) == (2, 2, 1)


def test_no_report_is_no_tests(tmp_path: Path) -> None:
    assert run_tests.count_tests(tmp_path / "report.xml") == (0, 0, 0)


def test_ends_with_the_sum_and_the_engines(tmp_path: Path) -> None:
    lines = run_tests.closing_lines(
        [
            Outcome(Stage("lint", []), 0, 21.4),
            Outcome(Stage("unit", [], tmp_path), 0, 30.0, passed=300, skipped=2),
            Outcome(Stage("molecule keydb", [], tmp_path, "keydb 6.3.4 (archive)"), 0, 400.0, passed=40),
            Outcome(Stage("molecule default", [], tmp_path, "valkey (Debian)"), 2, 100.0, passed=39, failed=1),
        ]
    )
    assert lines[1:] == [
        "lint: passed in 21 s",
        "unit: passed in 30 s, 300 tests passed, 0 failed, 2 skipped",
        "molecule keydb: passed in 400 s, 40 tests passed, 0 failed",
        "molecule default: FAILED in 100 s, 39 tests passed, 1 failed",
        "379 passed, 1 failed",
        "engines: keydb 6.3.4 (archive) passed, valkey (Debian) FAILED",
    ]


@pytest.mark.parametrize(
    ("command", "report", "passed", "failed"),
    [
        (["true"], None, 0, 0),
        (["false"], None, 0, 1),
        (["false"], REPORT, 2, 2),
        (["false"], REPORT.replace("failure", "skipped").replace("error", "skipped"), 2, 1),
        (["true"], "", 0, 1),
    ],
    ids=["passed", "failed without tests", "failed tests", "failed outside of its tests", "ran no test"],
)
def test_a_stage_that_failed_always_counts(
    tmp_path: Path, command: list[str], report: str | None, passed: int, failed: int
) -> None:
    file = tmp_path / "report.xml"
    if report:
        command = ["sh", "-c", f"printf '%s' '{report}' >{file}; {command[0]}"]
    outcome = run_tests.run(Stage("unit", command, None if report is None else file))
    assert (outcome.passed, outcome.failed) == (passed, failed)


def test_a_report_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(REPORT, encoding="utf-8")
    assert run_tests.run(Stage("unit", ["false"], file)).passed == 0


@pytest.mark.parametrize(("archive", "expected"), [(True, ["keydb", "default"]), (False, ["default"])])
def test_keydb_is_tested_where_an_archive_is_found(tmp_path: Path, archive: bool, expected: list[str]) -> None:
    if archive:
        (tmp_path / "keydb-lab").mkdir()
        (tmp_path / "keydb-lab" / "keydb-6.3.4-amd64.tar.gz").write_bytes(b"keydb")
    stages = run_tests.stages_of(["molecule"], {"XDG_CACHE_HOME": str(tmp_path)}, "amd64")
    assert [stage.command[-1] for stage in stages] == expected


def test_a_named_archive_that_is_not_there_is_no_reason_to_leave_keydb_out(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path), "LAB_KEYDB_ARCHIVE": "/nowhere.tar.gz"}
    with pytest.raises(ValueError, match="no such file"):
        run_tests.stages_of(["molecule"], environment, "amd64")


def test_refuses_an_unknown_stage() -> None:
    with pytest.raises(ValueError, match="unknown stage units: allowed are lint, unit, molecule"):
        run_tests.stages_of(["units"], {}, "amd64")
