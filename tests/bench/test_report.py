from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.benchmark import PLAIN, TLS, Case, Results
from bench.engines import NoEngineError, find_engines
from bench.memory import Memory
from bench.options import Options, parse
from bench.plot import Point, curve, draw
from bench.report import Report, rates_of, render, write
from bench_fakes import MS, REDIS, report, results, window

RATES: dict[str, list[int | None]] = {
    "ours-async": [50_000, 60_000, None],
    "ours-sync": [40_000, 40_000, 41_000],
    "naive-async": [2000, 2000, 2000],
    "naive-sync": [3000, 3000, 3000],
    "floor": [80_000, 80_000, 80_000],
}
P50_MS = {"ours-async": 0.3, "ours-sync": 0.22, "floor": 0.2, "naive-sync": 0.25, "naive-async": 0.4}


def as_json(made: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(msgspec.json.encode(made.as_json()))
    return document


def test_the_results_have_ratios_by_engine() -> None:
    made = results(RATES, P50_MS)
    made.cases |= results({"ours-async": [30_000], "naive-async": [1500], "naive-sync": [2000]}, {}, TLS).cases
    document = as_json(report(made))
    ratios = document["ratios"]["redis"]
    assert ratios["async_vs_naive_async"] == 27.5
    assert ratios["async_vs_naive_sync"] == pytest.approx(55 / 3)
    assert ratios["async_vs_floor"] == pytest.approx(55 / 80)
    assert ratios["sync_p50_vs_floor"] == pytest.approx(1.1)
    assert ratios["async_p50_vs_floor"] == pytest.approx(1.5)
    assert ratios["tls"] == {"async_vs_naive_async": 20.0, "async_vs_naive_sync": 15.0}


def test_the_results_have_verdicts_spreads_and_every_window() -> None:
    document = as_json(report(results(RATES, P50_MS)))
    plain = document["verdicts"]["redis"]["plain"]
    assert plain["async_vs_naive_async"] == {"value": 27.5, "target": ">= 20", "holds": True}
    assert plain["async_p50_vs_floor"]["holds"] is False
    assert document["verdicts"]["redis"]["tls"] == {}
    ours = document["engines"]["redis"]["contenders"]["plain"]["ours-async"]
    rate = ours["summary"]["rate"]
    assert rate == {"median": 55_000, "least": 50_000, "most": 60_000, "rounds": [50_000, 60_000, None]}
    assert len(ours["windows"]) == 3
    assert ours["windows"][0]["until_done"]["p99_ns"] == 3 * MS
    # 0.5 s for 3 s at that rate.
    assert ours["summary"]["cpu_ns"]["most"] == pytest.approx(0.5e9 / 150_000)
    assert document["complete"] is False
    assert rates_of(document, Case("redis", PLAIN, "ours-async")) == 55_000
    assert rates_of(document, Case("keydb", PLAIN, "ours-async")) is None


def test_a_run_that_measured_everything_is_complete() -> None:
    made = results(RATES | {"ours-async": [50_000]}, P50_MS)
    assert report(made).is_complete
    assert not report(Results()).is_complete


def test_the_table_has_a_line_for_each_contender_and_each_target() -> None:
    lines = list(render(report(results(RATES, P50_MS))))
    text = "\n".join(lines)
    names = [line.split()[0] for line in lines if line and line.split()[0] in RATES]
    assert names == ["floor", "ours-async", "ours-sync", "naive-sync", "naive-async"]
    (ours,) = (line for line in lines if line.startswith("ours-async"))
    assert ours.split() == ["ours-async", "55,000", "50,000", "to", "60,000", *ours.split()[5:]]
    assert ours.split()[-4:] == ["0.300", "0.600", "0.900", "1.20"]
    assert "async_vs_naive_async       27.50" in text
    assert text.count("DOES NOT HOLD") == 1
    assert text.count("holds") == 4
    assert max(map(len, lines)) <= 120


def test_memory_is_flat_within_a_tenth() -> None:
    flat, grown = Memory(25_000, 300, (50_000, 55_000, 52_000), 0), Memory(25_000, 300, (50_000, 55_001), 0)
    assert flat.is_flat
    assert not grown.is_flat
    assert not Memory(25_000, 300, (50_000,), 1).is_flat
    made = Report(Options(), (), Results(), 1, 1.0, {}, {Case("redis", PLAIN, "ours-sync"): grown})
    assert "redis plain ours-sync: 48.8 to 53.7 MiB over 300 s at 25,000/s" in "\n".join(render(made))
    assert as_json(made)["memory"][0]["holds"] is False


def test_a_curve_is_the_median_at_each_rate() -> None:
    windows = [window(200, 3, 9.0), window(100, 3, 1.0), window(200, 3, 1.0), window(200, 3, 2.0)]
    assert curve([*windows, window(300, until_done=None)], "p50_ns") == [Point(100, 1.0), Point(200, 2.0)]


def test_the_plot_is_drawn_for_print_and_for_the_screen(tmp_path: Path) -> None:
    made = results(RATES, P50_MS)
    files = draw(made, [REDIS], tmp_path / "results")
    assert [file.name for file in files] == ["lag.svg", "lag.png"]
    assert all(file.stat().st_size > 1000 for file in files)
    assert "ours-async" in files[0].read_text()


def test_results_replace_earlier_ones_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "latest.json"
    write({"a": 1}, path)
    write({"b": 2}, path)
    assert json.loads(path.read_bytes()) == {"b": 2}
    assert [file.name for file in path.parent.iterdir()] == ["latest.json"]


def test_options_come_from_the_environment_and_the_command_line_has_the_last_word() -> None:
    environment = {"BENCH_ROUNDS": "5", "BENCH_ENGINES": "redis keydb", "BENCH_NO_TLS": "1", "BENCH_KEYS": ""}
    options = parse(["--rounds", "2", "--contenders", "floor,ours-sync"], environment)
    assert options.rounds == 2
    assert options.engines == ("redis", "keydb")
    assert options.tls_rounds == 0
    assert options.contenders == ("floor", "ours-sync")
    assert options.keys == 100
    assert parse([], {}) == Options()
    assert parse([], {"BENCH_QUICK": "1"}).rounds == 1
    assert parse(["--memory"], {}).memory_s == 300
    assert "tracking" in parse(["--contenders", "all"], {}).contenders


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--rounds", "0"], {}, "allowed: 1 to"),
        (["--rounds", "x"], {}, "invalid"),
        (["--engines", "dragonfly"], {}, "dragonfly given; allowed: redis, valkey, keydb"),
        (["--contenders", "ours"], {}, "ours given; allowed: naive-sync"),
        ([], {"BENCH_SECONDS": "-1"}, "allowed: 1 to"),
        ([], {"BENCH_MEMORY": "yes"}, "allowed are 0 and 1"),
    ],
)
def test_wrong_options_are_refused(
    arguments: list[str], environment: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, environment)
    assert said in f"{ended.value}{capsys.readouterr().err}"


def test_an_archive_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match=r"nowhere\.tar\.gz: no such file"):
        find_engines((), {"LAB_KEYDB_ARCHIVE": "/nowhere.tar.gz"}, tmp_path)


def test_an_engine_that_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match="no keydb-"):
        find_engines(("keydb",), {"XDG_CACHE_HOME": str(tmp_path)}, tmp_path)
