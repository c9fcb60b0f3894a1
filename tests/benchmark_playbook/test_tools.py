"""What the engines' tools print, as captured from them."""

from __future__ import annotations

import pytest
from keydb_bench.host import CommandError
from keydb_bench.tools import keys_for, parse

WARNING = "WARNING: Could not fetch server CONFIG\n"
HEADING = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
)


# Of redis-benchmark 7.0.15, of it where the server gives no CONFIG, and of keydb-benchmark with two threads.
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            f'{HEADING}\n"SET","18867.92","1.008","0.024","0.087","4.367","9.231","35.519"\n',
            {"rate": 18867.92, "p50_ms": 0.087, "p99_ms": 9.231},
        ),
        (
            f'{WARNING}{HEADING}\n"GET","7462.69","0.609","0.016","0.079","3.247","6.271","7.183"\n',
            {"rate": 7462.69, "p50_ms": 0.079, "p99_ms": 6.271},
        ),
        (
            f'{HEADING}\n"GET","432.28","7.052","0.016","0.095","32.639","134.399","692.223"\n',
            {"rate": 432.28, "p50_ms": 0.095, "p99_ms": 134.399},
        ),
    ],
)
def test_figures_are_read(told: str, expected: dict[str, float]) -> None:
    assert parse(told) == expected


@pytest.mark.parametrize("told", ["", "Could not connect to server", f"{HEADING}\n", '"SET","fast"\n'])
def test_what_has_no_figures_is_said(told: str) -> None:
    with pytest.raises(CommandError, match="the tool printed no figures"):
        parse(told)


@pytest.mark.parametrize(("size", "maxmemory_mb"), [(1, 64), (64, 128), (16_384, 128), (65_536, 64)])
def test_values_leave_most_of_the_memory_free(size: int, maxmemory_mb: int) -> None:
    keys = keys_for(size, maxmemory_mb)
    assert keys >= 100
    assert keys * size <= (maxmemory_mb << 20) / 4
