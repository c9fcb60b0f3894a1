"""Reads all results, and writes the page, its Markdown twin and the answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keydb_report.answer import Answer
from keydb_report.cited import Cited, NotMeasuredError
from keydb_report.compare import Comparison, compare, draw
from keydb_report.facts import facts
from keydb_report.inputs import Inputs
from keydb_report.notable import notable
from keydb_report.page import Report, html, markdown
from keydb_report.pictures import pictures
from keydb_report.pictures.picture import Picture
from keydb_report.questions import answers

_SCHEMA = 1
_WRONG_USE = 2
_ANSWERS = "results/report/answers.json"


@dataclass(frozen=True)
class Settings:
    """``baseline`` is a directory like that of the results, a run of the benchmark, or None; ``enough`` in events/s."""

    results: Path
    report: Path
    enough: float
    baseline: Path | None = None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """Raises KeyError, TypeError and ValueError."""
        baseline = Path(given["baseline"]) if given.get("baseline") else None
        return cls(Path(given["results"]), Path(given["report"]), given["enough"], baseline)


def main(arguments: Sequence[str]) -> int:
    """Prints the answers. Returns 2 where what it was told cannot be done."""
    try:
        settings = Settings.of(json.loads(arguments[0]))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        print(f"report: settings are JSON with results, report and enough: {error!r}", file=sys.stderr)
        return _WRONG_USE
    if settings.baseline and not settings.baseline.exists():
        print(f"report: report_baseline is {settings.baseline}, which is not there", file=sys.stderr)
        return _WRONG_USE
    report = make(settings)
    try:
        write(report, settings)
    except OSError as error:
        print(f"report: {settings.report} cannot be written to: {error.strerror or error}", file=sys.stderr)
        return _WRONG_USE
    for answer in report.answers:
        print(f"{answer.number}. {answer.claim}\n   {answer.verdict_text.upper()}: {answer.sentence.text}")
    return 0


def make(settings: Settings) -> Report:
    """Everything that the page shows."""
    inputs = Inputs(settings.results)
    enough = Cited(settings.enough, (f"{_ANSWERS}#/settings/enough",), "events/s")
    found = answers(inputs, enough)
    drawn = pictures(inputs)
    comparison = _compared(settings, inputs, found, enough)
    if comparison:
        drawn.append(_what_changed(comparison))
    return Report(found, notable(inputs), drawn, facts(inputs, settings.report), comparison)


def write(report: Report, settings: Settings) -> None:
    """Raises OSError."""
    settings.report.mkdir(parents=True, exist_ok=True)
    answered = {
        "schema": _SCHEMA,
        "settings": {"enough": settings.enough},
        "answers": [answer.as_json() for answer in report.answers],
    }
    (settings.report / "answers.json").write_text(json.dumps(answered, indent=2) + "\n", encoding="utf-8")
    (settings.report / "index.html").write_text(html(report), encoding="utf-8")
    (settings.report / "report.md").write_text(markdown(report), encoding="utf-8")


def _compared(settings: Settings, inputs: Inputs, found: Sequence[Answer], enough: Cited) -> Comparison | None:
    if settings.baseline is None:
        return None
    label = "baseline"
    then = (
        Inputs.of_bench(settings.baseline, label) if settings.baseline.is_file() else Inputs(settings.baseline, label)
    )
    return compare(inputs, then, found, answers(then, enough))


def _what_changed(comparison: Comparison) -> Picture:
    title = "What changed since the baseline"
    try:
        return Picture("comparison", title, draw(comparison))
    except NotMeasuredError as why:
        return Picture("comparison", title, lacking=why.why)
