"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

from pathlib import Path

import pytest
from keydb_faults.kinds import KINDS
from untouched_hosts import play


def test_all_kinds_can_be_listed_and_nobody_is_contacted(tmp_path: Path) -> None:
    done, contacted = play("faults.yml", tmp_path, "--tags", "list")
    assert done.returncode == 0, done.stdout
    assert all(kind.about in done.stdout for kind in KINDS.values())
    assert not contacted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "-e faults_confirm=mine"),
        (("-e", "faults_confirm=other"), 'faults_confirm is "other", and this inventory is "mine"'),
        (("-e", "faults_confirm=mine", "--limit", "pi1"), "pi2, pi3 would be left out"),
        (("-e", "faults_confirm=mine", "-e", '{"faults_only": ["earthquake"]}'), "is not one of the choices"),
        (("-e", "faults_confirm=mine", "-e", "faults_hold=100"), "0 to 60 s"),
    ],
)
def test_what_was_not_meant_is_refused_before_a_host_is_touched(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done, contacted = play("faults.yml", tmp_path, *arguments)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not contacted


def test_what_was_meant_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    done, contacted = play("faults.yml", tmp_path, "-e", "faults_confirm=mine")
    assert done.returncode != 0
    assert contacted
