"""The benchmark itself, on a real server. Short: what comes of it says nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.benchmark import PLAIN, TLS
from bench.certificates import Certificates
from bench.contenders import CONTENDERS
from bench.engines import find_engines
from bench.search import Outcome
from bench.server import running
from bench.trial import Load, Rig

APP = Path(__file__).parents[2] / "app"


def command(output: Path, *arguments: str) -> list[str]:
    short = ["--rounds", "1", "--seconds", "1", "--confirm-s", "1", "--latency-s", "1", "--precision", "2"]
    return [sys.executable, "-m", "bench", "--engines", "redis", "--output", str(output), *short, *arguments]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")}
    return kept | {"PYTHONPATH": f"{APP}:{APP / 'src'}", "TMPDIR": str(tmp_path)}


def children(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [grandchild for child in found for grandchild in children(child)]


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Rig]]:
    directory = tmp_path_factory.mktemp("bench")
    (engine,) = find_engines(("redis",), os.environ, directory)
    certificates = Certificates.create(directory)
    with running(engine, certificates, directory) as server:
        yield {PLAIN: Rig(server, None, directory), TLS: Rig(server, certificates.ca, directory)}


@pytest.mark.parametrize(
    ("contender", "transport"),
    [("naive-sync", PLAIN), ("floor", PLAIN), ("naive-async", TLS), ("ours-sync", TLS), ("ours-async", PLAIN)],
)
def test_a_contender_handles_every_write(rigs: dict[str, Rig], contender: str, transport: str) -> None:
    window = rigs[transport].window(contender, Load(500, 7, 0, 1))
    assert window.broken == ""
    assert (window.writes, window.unhandled, window.events) == (500, 0, 500)
    assert not window.missed
    assert window.until_done
    assert window.until_done.count == 500
    # A write cannot be handled before it is sent.
    assert window.until_done.p50_ns > 0


def test_a_contender_that_breaks_is_said_to_be_broken(rigs: dict[str, Rig]) -> None:
    window = rigs[PLAIN].window("nobody", Load(500, 7, 0, 1))
    assert window.outcome is Outcome.BROKEN
    assert "nobody did not subscribe" in window.broken
    assert "invalid choice" in window.broken


def test_it_ends_in_time_with_a_table_a_plot_and_results(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = command(tmp_path / "results", "--contenders", "naive-sync", "--minutes", "0.05", "--no-tls")
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, env=environment)
    # It could not do what it was to do in that time.
    assert ran.returncode == 1
    assert not ran.stderr
    assert "redis plain naive-sync           no time left" in ran.stdout
    document = json.loads((tmp_path / "results" / "latest.json").read_bytes())
    first, *_ = document["engines"]["redis"]["contenders"]["plain"]["naive-sync"]["windows"]
    assert first["rate"] == CONTENDERS["naive-sync"].start
    assert document["host"]["cpus"]
    assert (tmp_path / "results" / "lag.png").is_file()


def test_whoever_stops_it_finds_nothing_left(tmp_path: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        command(tmp_path / "results", "--contenders", "naive-sync"), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        deadline = time.monotonic() + 20
        # The server, the contender and the generator.
        while len(started := children(process.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted: no results are kept" in said
    assert len(started) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    assert [path.name for path in tmp_path.iterdir()] == []
