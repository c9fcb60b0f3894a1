"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

from pathlib import Path

import pytest
from untouched_hosts import play


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"capture_nodes": ["pi1", "pi9"]}', "capture_nodes names pi9; allowed: nodes of keydb_nodes"),
        ('{"capture_seconds": 4}', "capture_seconds is 4; allowed: 5 to 600"),
        ('{"capture_megabytes": 0}', "capture_megabytes is 0; allowed: 1 to 1000"),
        ('{"capture_packets": 0}', "capture_packets is 0; allowed: 1 or more"),
        ('{"capture_rate": 0}', "capture_rate is 0; allowed: more than 0, up to 1000"),
    ],
)
def test_what_cannot_be_is_refused_before_a_host_is_touched(tmp_path: Path, given: str, said: str) -> None:
    done, contacted = play("capture.yml", tmp_path, "-e", given)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not contacted


def test_a_controller_without_tshark_is_told_so(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "tshark":
            (programs / program.name).symlink_to(program)
    done, contacted = play("capture.yml", tmp_path, path=str(programs))
    assert done.returncode != 0
    assert "The controller has no tshark" in done.stdout
    assert not contacted


def test_what_can_be_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    done, contacted = play("capture.yml", tmp_path)
    assert done.returncode != 0
    assert contacted
