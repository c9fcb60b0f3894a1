"""What a picture is in the page: the drawing, what it shows in words, and its figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keydb_report.cited import Cited, Sentence

Cell = Cited | Sentence | str


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
