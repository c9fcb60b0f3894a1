"""What the engines' tools print, as captured from them."""

from __future__ import annotations

import pytest
from keydb_bench.host import CommandError
from keydb_bench.tools import parse

HEADING = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            f'{HEADING}\n"SET","66666.67","0.407","0.144","0.399","0.551","0.807","1.151"\n',
            {"rate": 66666.67, "p50_ms": 0.399, "p99_ms": 0.807},
        ),
        (
            f'WARNING: Could not fetch server CONFIG\n{HEADING}\n\r"GET","5000.00","9.1","1.0","8.991","12.0","15.500","20.0"\n',
            {"rate": 5000.0, "p50_ms": 8.991, "p99_ms": 15.5},
        ),
    ],
)
def test_figures_are_read(told: str, expected: dict[str, float]) -> None:
    assert parse(told) == expected


@pytest.mark.parametrize("told", ["", "Could not connect to server", f"{HEADING}\n", '"SET","fast"\n'])
def test_what_has_no_figures_is_said(told: str) -> None:
    with pytest.raises(CommandError, match="the tool printed no figures"):
        parse(told)
