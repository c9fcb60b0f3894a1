"""The page as a reader of it has it: its texts, and what each says of where it is from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_EMPTY = {"meta", "link", "br", "img", "input", "hr"}
# Not read by people, or a part of a name or a path.
_UNREAD = {"style", "code", "title"}
FREE_NUMBER = re.compile(r"(?<![\w/.,#-])-?\d[\d,]*(?:\.\d+)?(?![\w/-])")
_NS_PER_SECOND = 1_000_000_000


@dataclass
class Text:
    """A text and the elements around it, from the outside."""

    words: str
    around: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def sourced(self) -> Mapping[str, str] | None:
        """What the innermost element that has one says of its source."""
        return next((attributes for _, attributes in reversed(self.around) if "data-source" in attributes), None)

    def within(self, *tags: str) -> bool:
        return any(tag in tags for tag, _ in self.around)

    @property
    def is_tick(self) -> bool:
        """Whether it is of a picture's axis, which is no result."""
        return any(re.search(r"-[xy]tick_\d+$", attributes.get("id", "")) for _, attributes in self.around)


class Page(HTMLParser):
    """Parses at once; raises AssertionError where elements are not closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[Text] = []
        self.elements: list[tuple[str, Mapping[str, str]]] = []
        self._open: list[tuple[str, Mapping[str, str]]] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(Text(data.strip(), list(self._open)))

    def read(self) -> Iterator[Text]:
        """What people read."""
        return (text for text in self.texts if not text.within(*_UNREAD))


class Sources:
    """Finds again what a source names; a second way of doing what the report does, on purpose."""

    def __init__(self, results: Path, baseline: Path | None = None) -> None:
        self._roots = {"results": results} | ({"baseline": baseline} if baseline else {})
        self._files: dict[str, Any] = {}

    def at(self, source: str) -> Any:
        """Raises KeyError or IndexError where nothing is there."""
        file, _, path = source.partition("#")
        root, _, below = file.partition("/")
        if file not in self._files:
            text = (self._roots[root] / below).read_text(encoding="utf-8")
            self._files[file] = (
                [json.loads(line) for line in text.splitlines()] if file.endswith("l") else json.loads(text)
            )
        found = self._files[file]
        for step in path.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 - the same step, unescaped
            found = found[int(step)] if isinstance(found, list) else found[step]
        return found

    def expected(self, sourced: Mapping[str, str]) -> float | str | list[Any]:  # noqa: PLR0911  # a table of cases
        """What has to be there by what the element says of itself."""
        sources = sourced["data-source"].split(" ")
        found = [self.at(source) for source in sources]
        how = sourced.get("data-how", "")
        if how == "words":
            return found
        if how == "name":
            return sources[0].rsplit("/", 1)[1]
        if how in ("ratio", "change", "since"):
            one, other = found
            return {
                "ratio": lambda: one / other,
                "change": lambda: (one / other - 1) * 100,
                "since": lambda: (one - other) / _NS_PER_SECOND,
            }[how]()
        (only,) = found
        if how == "count":
            return len(only)
        if how == "sum":
            return sum(only.values())
        if how == "times":
            return only * float(sourced["data-factor"])
        assert how == ""
        return only


def is_shown(shown: str, expected: float | str | list[Any]) -> bool:
    """Whether a text is what it should be; a number may be rounded, to three digits at the least."""
    if isinstance(expected, list):
        known = [str(each) for each in expected]
        numbers = [number(each) for each in FREE_NUMBER.findall(shown)]
        return all(any(str(each) in text or _equal(value, text) for text in known) for each, value in numbers)
    if isinstance(expected, str):
        # A sentence of a result may have lost its full stop to the one that it became a part of.
        return shown in (expected, expected.rstrip(".")) or shown == " ".join(expected.split())
    text, value = number(shown)
    digits = len(text.partition(".")[2])
    assert digits or abs(value) >= 100 or float(value) == expected, f"{shown} for {expected} has too few digits"
    return abs(value - expected) <= 0.5000001 * 10**-digits


def number(text: str) -> tuple[str, float]:
    """Without what tells thousands apart."""
    plain = text.replace(",", "")
    return plain, float(plain)


def _equal(value: float, text: str) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False
