"""What is not there, or is of another format, is not measured, and nothing is made up for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keydb_report.answer import NOT_MEASURED
from keydb_report.inputs import KINDS
from report_results import bench, everything, faults, figure, made, verify

OF = {"bench": (2, 3, 4), "faults": (1, 5)}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bench", None, "there is no results/bench/latest.json, which playbooks/bench.yml makes"),
        ("faults", None, "there is no results/faults/latest.json, which playbooks/faults.yml makes"),
        ("bench", bench() | {"schema": 2}, "has another format than the one that is read here"),
        ("bench", {key: each for key, each in bench().items() if key != "schema"}, "has another format"),
        ("faults", faults() | {"schema": 0}, "has another format"),
        ("bench", '{"schema": 1, "cut off', "cannot be read: it is no JSON object"),
        ("bench", "[1, 2]", "cannot be read: it is no JSON object"),
        ("bench", json.dumps(bench()).replace("8600.0", "NaN"), "cannot be read: it is no JSON object"),
        ("bench", {key: each for key, each in bench().items() if key != "conditions"}, "has no conditions"),
        ("faults", faults() | {"faults": 6}, "has no faults"),
    ],
)
def test_a_result_that_cannot_be_read_is_not_measured(tmp_path: Path, name: str, content: Any, why: str) -> None:
    report = made(tmp_path, **{name: content})
    for number in OF[name]:
        answer = report.answers[number - 1]
        assert answer.verdict == NOT_MEASURED
        assert not any(KINDS[name].path in each.source for each in answer.sentence.cited)
        assert answer.figure is None or name not in answer.figure.source
        assert why in answer.sentence.text
    lacking = {source.label: source.lacking for source in report.facts.sources}
    said = lacking[f"results/{KINDS[name].path}"]
    assert said is not None
    assert why in said.text


def places(found: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where something is in a result; of a list's elements the first one stands for all."""
    inner = found.items() if isinstance(found, dict) else enumerate(found[:1]) if isinstance(found, list) else ()
    for step, each in inner:
        yield (*before, step)
        yield from places(each, (*before, step))


@pytest.mark.parametrize("junk", [None, "text", [7]])
@pytest.mark.parametrize("name", KINDS)
def test_no_junk_makes_it_fail(tmp_path: Path, name: str, junk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of each part of a result in turn. Pictures have a test of their own, for they take their time."""
    monkeypatch.setattr("keydb_report.command.pictures", lambda _: [])
    others = dict.fromkeys(KINDS)
    for number, place in enumerate(places(everything()[name])):
        spoiled = everything()[name]
        holder = spoiled
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = junk
        made(tmp_path / str(number), **(others | {name: spoiled}))


@pytest.mark.parametrize(
    "broken",
    [
        figure(1.0, 2.0) | {"median": 9.0},
        figure(1.0, 2.0) | {"rounds": []},
        figure(1.0, 2.0) | {"low": None},
        figure(1.0, 2.0) | {"low": True},
        {"median": 5.0},
        5.0,
        "5",
    ],
)
def test_a_figure_that_contradicts_itself_is_none(tmp_path: Path, broken: Any) -> None:
    listeners = bench()["listeners"]
    listeners["async"]["knee"] = broken
    report = made(tmp_path, bench=bench(listeners=listeners))
    assert report.answers[2].verdict == NOT_MEASURED


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("lag", {"bench": bench(listeners={"sync": {"steps": [{"offered": "many", "p50": figure(1.0)}]}})}),
        ("scale", {"bench": bench(scale={"points": [{"nodes": None, "writers": "one", "writes": figure(1.0, 2.0)}]})}),
        ("clocks", {"verify": verify(clocks={"pairs": [{"nodes": 7, "error_bound_s": "unknown"}]})}),
    ],
)
def test_a_picture_of_what_is_not_understood_is_left_out(tmp_path: Path, key: str, changes: dict[str, Any]) -> None:
    pictures = {each.key: each for each in made(tmp_path, **changes).pictures}
    assert pictures[key].drawn is None
    assert pictures["network"].drawn


def test_runs_that_are_gone_leave_no_picture_of_another_one(tmp_path: Path) -> None:
    """The latest verdict is not that of the only run that is there."""
    results = tmp_path / "results" / "faults"
    made(tmp_path)
    (results / "latest.json").write_text(json.dumps(faults(seed=2)), encoding="utf-8")
    (picture,) = [each for each in made_again(tmp_path).pictures if each.key == "faults"]
    assert picture.drawn is None
    assert picture.lacking
    assert "is not there any more" in picture.lacking.text


def made_again(directory: Path) -> Any:
    from keydb_report.command import Settings, make  # noqa: PLC0415 - only this test has a use for it

    return make(Settings(directory / "results", directory / "results" / "report", 1000))


def test_an_unknown_clock_is_drawn_as_unknown(tmp_path: Path) -> None:
    (clocks,) = [each for each in made(tmp_path, verify=verify()).pictures if each.key == "clocks"]
    assert clocks.drawn
    assert clocks.drawn.rows[2][1:] == ["unknown", "unknown"]
    assert "? unknown" in clocks.drawn.svg
