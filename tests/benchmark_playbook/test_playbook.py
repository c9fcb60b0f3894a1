"""The playbook as its user sees it, before hosts that must not be touched. SSH is replaced by what leaves a mark."""

from __future__ import annotations

from pathlib import Path

import pytest
from untouched_hosts import play


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ('{"bench_scale": "huge"}', "is not one of the choices"),
        ('{"bench_engines": ["keydb", "mongo"]}', "is not one of the choices"),
        ('{"bench_nodes": [1, 4]}', "1 to 3 nodes"),
        ('{"bench_client": "pi1"}', "another host than bench_server"),
        ('{"bench_sizes": [1000000]}', "1 to 65536 bytes"),
        ('{"bench_round": 3}', "did you mean bench_rounds?"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_host_is_touched(tmp_path: Path, variables: str, said: str) -> None:
    done, contacted = play("bench.yml", tmp_path, "-e", variables)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not contacted


def test_what_can_be_measured_is_not_refused(tmp_path: Path) -> None:
    """The proof that the mark can be left."""
    done, contacted = play("bench.yml", tmp_path)
    assert done.returncode != 0
    assert contacted
