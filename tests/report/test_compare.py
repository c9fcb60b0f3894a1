"""Two runs beside each other: only what is beyond the spread has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report_page import Page, Sources, is_shown
from report_results import around, bench, everything, faults, figure, lay_down, listener, made, throughput


def compared(directory: Path, before: dict[str, Any], **now: Any) -> Any:
    report = made(directory, baseline=lay_down(directory / "before", everything(**before)), **now)
    assert report.comparison
    return report


def sentences(report: Any) -> list[str]:
    return [each.sentence.text for each in report.comparison.changed]


def test_the_same_run_has_not_changed(tmp_path: Path) -> None:
    report = compared(tmp_path, {})
    assert sentences(report) == []
    assert report.comparison.verdicts == []
    (picture,) = [each for each in report.pictures if each.key == "comparison"]
    assert picture.lacking.text == "nothing that can be drawn changed beyond the spread"


def test_only_what_is_beyond_the_spread_is_named_and_whether_it_is_better(tmp_path: Path) -> None:
    before = bench(throughput=[throughput(), throughput("redis", 60_000.0)])
    slower = throughput(rate=15_000.0) | {"p50": throughput()["p50"], "p99": around(8.0)}
    now = bench(throughput=[throughput("redis", 60_900.0), slower])
    of = "KeyDB, 2 threads, SET of 64 bytes, pipeline 1, 50 connections, TLS"
    assert sentences(compared(tmp_path, {"bench": before}, bench=now)) == [
        f"worse: {of}, rate: 15,000 operations/s against 20,000 operations/s (0.75 times)",
        f"better: {of}, p99: 8.00 ms against 10.0 ms (0.8 times)",
    ]


def test_a_slowed_listener_is_named_with_what_it_was(tmp_path: Path) -> None:
    now = bench(listeners={"sync": listener(600.0), "async": listener(8600.0)})
    report = compared(tmp_path, {}, bench=now)
    assert "worse: synchronous listener, knee: 600 events/s against 7,900 events/s (0.0759 times)" in sentences(report)
    assert not any(text.startswith("worse: asynchronous") for text in sentences(report))
    (picture,) = [each for each in report.pictures if each.key == "comparison"]
    assert len(picture.drawn.rows) == len(sentences(report))


def test_a_single_round_is_not_compared(tmp_path: Path) -> None:
    now = bench(throughput=[throughput() | {"rate": figure(9e9), "p50": figure(1.0), "p99": figure(2.0)}])
    report = compared(tmp_path, {}, bench=now)
    assert sentences(report) == []
    assert "Some figures are of a single round, which has no spread to judge by." in report.comparison.remarks


def test_a_verdict_that_is_another_one_is_told(tmp_path: Path) -> None:
    report = compared(tmp_path, {}, faults=faults(plain_lost=3))
    assert [each.text.split("lost. ")[1] for each in report.comparison.verdicts] == [
        "It was: holds. It is: does not hold."
    ]


def test_a_run_of_the_benchmark_alone_is_a_baseline_too(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(bench(listeners={"sync": listener(600.0), "async": listener(8600.0)})), encoding="utf-8")
    report = made(tmp_path, baseline=file)
    assert "better: synchronous listener, knee: 7,900 events/s against 600 events/s (13.2 times)" in sentences(report)
    assert report.comparison
    assert report.comparison.verdicts == []


def test_a_baseline_of_another_format_is_not_compared(tmp_path: Path) -> None:
    report = compared(tmp_path, {"bench": bench() | {"schema": 0}})
    assert "baseline/bench/latest.json has another format" in report.comparison.lacking.text


def test_its_figures_are_found_again(tmp_path: Path) -> None:
    now = bench(listeners={"sync": listener(600.0), "async": listener(8600.0)})
    compared(tmp_path, {}, bench=now)
    page = Page((tmp_path / "results/report/index.html").read_text(encoding="utf-8"))
    sources = Sources(tmp_path / "results", tmp_path / "before")
    sourced = [text for text in page.read() if text.sourced and "baseline/" in text.sourced["data-source"]]
    assert len(sourced) > 10
    assert all(is_shown(text.words, sources.expected(text.sourced)) for text in sourced if text.sourced)


def test_what_was_nothing_has_changed_too(tmp_path: Path) -> None:
    before = bench(listeners={"sync": listener(0.0), "async": listener(8600.0)})
    said = sentences(compared(tmp_path, {"bench": before}))
    assert "better: synchronous listener, knee: 7,900 events/s against 0 events/s" in said


def test_other_conditions_are_told(tmp_path: Path) -> None:
    mark = {"host": "node2", "condition": "throttled", "text": "under-voltage now"}
    report = compared(tmp_path, {}, bench=bench(conditions={"verdict": "marked", "marks": [mark]}))
    assert any(remark.startswith("The conditions that were marked") for remark in report.comparison.remarks)
