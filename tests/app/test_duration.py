"""How times and differences read."""

from __future__ import annotations

import pytest
from keydb_observer.duration import age_text, latency_text, seconds_text, timestamp_text

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("instant_ns", "text"),
    [
        (1_725_543_675_123_456_789, "1725543675.123456789"),
        (1_725_543_675_000_000_001, "1725543675.000000001"),
        (1, "0.000000001"),
    ],
)
def test_timestamp_keeps_every_digit(instant_ns: int, text: str) -> None:
    assert timestamp_text(instant_ns) == text


@pytest.mark.parametrize(
    ("difference_ns", "text"),
    [
        (512_000, "0.000512"),
        (512_499, "0.000512"),
        (512_500, "0.000513"),
        (-1_500_000_000, "-1.500000"),
        (-400, "0.000000"),
        (12_345 * SECOND, "12345.000000"),
    ],
)
def test_difference_has_six_digits(difference_ns: int, text: str) -> None:
    assert seconds_text(difference_ns) == text


def test_table_texts() -> None:
    assert [latency_text(ns) for ns in (512_000, -2_000_000, 1_500_000_000)] == ["0.512 ms", "-2.000 ms", "1.500 s"]
    ages = (0.04, 9.9, 45, 300, 10_800, 400_000)
    assert [age_text(int(age * SECOND)) for age in ages] == ["0.0 s", "9.9 s", "45 s", "5 min", "3 h", "5 d"]
