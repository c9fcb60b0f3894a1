"""Values out of results, each with its source, and sentences that are made of them.

No figure gets into the report in another way, so that each can be found again where it came from.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from markupsafe import Markup, escape

_HUNDREDS, _TENS = 100, 10
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Cited:
    """A value as the report shows it, and where it is from.

    ``sources`` are of the form FILE#JSON-POINTER (RFC 6901). ``how`` says what was done to what is there: "" nothing,
    ``count`` of elements, ``sum`` of them, ``ratio`` of the first source to the second, ``change`` from the second to
    the first in percent, ``since`` the second in seconds where both are nanoseconds, ``times`` the ``factor``, ``name``
    that the value is the last step of the pointer, or ``words`` that every number in it is at one of the sources.
    """

    value: float | str
    sources: tuple[str, ...]
    unit: str = ""
    how: str = ""
    factor: float = 1

    @property
    def text(self) -> str:
        """With three digits that matter, and all of a whole number."""
        return self.value if isinstance(self.value, str) else number_text(self.value)

    @property
    def source(self) -> str:
        """All sources in one word each."""
        return " ".join(self.sources)

    @property
    def with_unit(self) -> str:
        """For where there is no sentence around it."""
        return f"{self.text} {self.unit}".rstrip()

    def attributes(self) -> dict[str, str]:
        """What says in the page where it is from."""
        found = {"data-source": self.source}
        if self.how:
            found["data-how"] = self.how
        if self.how == "times":
            found["data-factor"] = f"{self.factor:g}"
        return found

    def html(self) -> Markup:
        """For the page."""
        attributes = Markup(" ").join(Markup('{}="{}"').format(*each) for each in self.attributes().items())
        return Markup("<span {}>{}</span>").format(attributes, self.text)

    def times(self, factor: float, unit: str) -> Cited:
        """In another unit."""
        return replace(self, value=float(self.value) * factor, unit=unit, how="times", factor=factor)


def ratio(one: Cited, other: Cited) -> Cited:
    """How many times ``other`` the first one is. Raises NotMeasuredError where that is nothing."""
    _divides(other)
    return Cited(float(one.value) / float(other.value), one.sources + other.sources, "times", "ratio")


def change(now: Cited, then: Cited) -> Cited:
    """What became of ``then``, in percent of it. Raises NotMeasuredError where that was nothing."""
    _divides(then)
    percent = (float(now.value) / float(then.value) - 1) * 100
    return Cited(percent, now.sources + then.sources, "%", "change")


def _divides(cited: Cited) -> None:
    if not cited.value:
        raise NotMeasuredError("{source} is nothing to compare with", source=cited.source)


def number_text(value: float) -> str:
    """Whole numbers in full, others with three digits that matter; thousands are told apart."""
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size >= _HUNDREDS:
        return f"{value:,.0f}"
    if size >= _TENS:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{float(f'{value:.3g}'):.7f}".rstrip("0").rstrip(".") if size else "0"


@dataclass(frozen=True)
class Sentence:
    """Words and cited values in their order."""

    parts: tuple[str | Cited, ...]

    @property
    def text(self) -> str:
        """As words alone."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def html(self) -> Markup:
        """With the sources of what is cited."""
        return Markup("").join(escape(part) if isinstance(part, str) else part.html() for part in self.parts)

    def as_one(self) -> Cited:
        """For where only a whole text can have sources."""
        return Cited(self.text, tuple(source for each in self.cited for source in each.sources), how="words")

    @property
    def cited(self) -> list[Cited]:
        """The values in it."""
        return [part for part in self.parts if isinstance(part, Cited)]


def say(words: str, /, **values: Cited | Sentence | str) -> Sentence:
    """The words with values in place of their names in braces. Raises KeyError for a name without one."""
    parts: list[str | Cited] = []
    for literal, name, _, _ in string.Formatter().parse(words):
        parts.append(literal)
        if name:
            value = values[name]
            parts += value.parts if isinstance(value, Sentence) else [value]
    return Sentence(tuple(part for part in parts if part != ""))


def join(sentences: Sequence[Sentence], between: str) -> Sentence:
    """One sentence of several."""
    parts: list[str | Cited] = []
    for place, sentence in enumerate(sentences):
        parts += [*([between] if place else []), *sentence.parts]
    return Sentence(tuple(parts))


class NotMeasuredError(Exception):
    """Something is not among the results. ``why`` is a sentence without its full stop."""

    def __init__(self, words: str | Sentence, /, **values: Cited | Sentence | str) -> None:
        self.why = say(words, **values) if isinstance(words, str) else words
        super().__init__(self.why.text)


def understood(make: Callable[[], _Made]) -> _Made:
    """What it makes. Raises NotMeasuredError, too, where a result has something else than it should have somewhere."""
    try:
        return make()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotMeasuredError(f"what is there is not understood ({type(error).__name__})") from error


def plain_number(value: Any) -> bool:
    """Whether it is a number, which for Python a bool is, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
