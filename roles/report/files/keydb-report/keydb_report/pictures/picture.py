"""What a picture is in the page: the drawing, what it shows in words, and its figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keydb_report.cited import Cited, Sentence, say
from keydb_report.inputs import Document

Cell = Cited | Sentence | str


def with_spread(document: Document, *path: str | int) -> Cell:
    """A median with the least and the most of its rounds, for a table, which has a dash where no figure is."""
    figure = document.figure_if_any(*path)
    if figure is None:
        return "-"
    if figure.low.value == figure.high.value:
        return figure.median
    return say("{median} ({low} to {high})", median=figure.median, low=figure.low, high=figure.high)


@dataclass(frozen=True)
class Drawn:
    """``about`` is for those who do not see it; the table has all that is drawn."""

    svg: str
    about: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Picture:
    """``drawn`` is None where something is ``lacking``."""

    key: str
    title: str
    drawn: Drawn | None = None
    lacking: Sentence | None = None
