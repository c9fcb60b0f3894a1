"""The page and its Markdown twin, from what was found."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from keydb_report.answer import Answer
from keydb_report.cited import Cited, Sentence
from keydb_report.compare import Comparison
from keydb_report.facts import Facts
from keydb_report.pictures.picture import Picture

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """All that is in the page."""

    answers: Sequence[Answer]
    notable: Sequence[Sentence]
    pictures: Sequence[Picture]
    facts: Facts
    comparison: Comparison | None


def html(report: Report) -> str:
    """One file that needs no other."""
    return _environment("html").get_template("index.html").render(report=report)


def markdown(report: Report) -> str:
    """The same without pictures."""
    return _environment().get_template("report.md").render(report=report)


@functools.cache
def _environment(*escaped: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        # The Markdown escapes what a table's cell cannot hold by itself.
        autoescape=jinja2.select_autoescape(escaped, default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"cell": _cell, "plain": _plain}
    return environment


def _cell(cell: Any) -> Markup:
    return cell.html() if isinstance(cell, (Cited, Sentence)) else escape(cell)


def _plain(cell: Any) -> str:
    """For a cell of Markdown's tables."""
    text = cell.text if isinstance(cell, (Cited, Sentence)) else str(cell)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
