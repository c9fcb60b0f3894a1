"""Windows and runs as the benchmark measures them, made up."""

from __future__ import annotations

from pathlib import Path

from bench.benchmark import PLAIN, Case, Results
from bench.engines import Engine
from bench.figures import Lags
from bench.options import Options
from bench.report import Report
from bench.search import Found, Outcome
from bench.trial import Window

MS = 1_000_000
REDIS = Engine("redis", Path("/usr/bin/redis-server"), "redis 7.0.15")


def window(rate: int = 1000, seconds: int = 3, p50_ms: float = 1.0, **changed: object) -> Window:
    lags = Lags(100, int(p50_ms * MS), int(2 * p50_ms * MS), int(3 * p50_ms * MS), int(4 * p50_ms * MS))
    figures: dict[str, object] = {
        "rate": rate,
        "seconds": seconds,
        "writes": rate * seconds,
        "unhandled": 0,
        "missed": 0,
        "events": rate * seconds,
        "in_time": 1.0,
        "until_done": lags,
        "until_seen": lags,
        "send_lag": {"p50_ns": MS // 10, "p99_ns": MS, "max_ns": MS},
        "generator_kept_up": True,
        "contender_cpu_s": 0.5,
        "server_cpu_s": 0.1,
        "children_cpu_s": 1.0,
    }
    return Window(**(figures | changed))  # type: ignore[arg-type]


def results(rates: dict[str, list[int | None]], p50_ms: dict[str, float], transport: str = PLAIN) -> Results:
    """What these contenders came to, by round."""
    made = Results()
    for contender, found in rates.items():
        measured = made.of(Case("redis", transport, contender))
        for rate in found:
            measured.found.append(Found(rate, Outcome.TOO_FAST) if rate else None)
            measured.windows.append(window(rate or 100))
            if contender in p50_ms:
                measured.latency.append(window(200, 10, p50_ms[contender]))
    return made


def report(made: Results, options: Options | None = None) -> Report:
    return Report(options or Options(), (REDIS,), made, 1, 60.0, {"python": "3.11"})
