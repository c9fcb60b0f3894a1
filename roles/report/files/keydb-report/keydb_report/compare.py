"""Two runs of the benchmark beside each other: what differs by more than the rounds do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from keydb_report.answer import Answer
from keydb_report.bench import LISTENERS, Row, conditions_text, marks, title
from keydb_report.cited import Cited, NotMeasuredError, Sentence, ratio, say, understood
from keydb_report.figure import Figure, beyond_spread
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn
from keydb_report.svg import FAINT, INK, canvas, fill, logarithmic

_MOST_DRAWN = 20
# A change that is small is not to look great, and what came to nothing has no logarithm.
_LEAST_SPAN, _SMALLEST = 2.0, 1e-3
_BETTER, _WORSE = "better", "worse"


@dataclass(frozen=True)
class Measured:
    """A figure by what it is of; ``more`` is whether more of it is better."""

    what: Sentence
    figure: Figure
    more: bool


@dataclass(frozen=True)
class Changed:
    """A figure that is beyond the spread of what it was; ``times`` is None where it was nothing."""

    what: Sentence
    now: Figure
    then: Figure
    times: Cited | None
    verdict: str

    @property
    def sentence(self) -> Sentence:
        """In words."""
        words = f"{self.verdict}: {{what}}: {{now}} {self.now.unit} against {{then}} {self.then.unit}"
        values: dict[str, Cited | Sentence] = {"what": self.what, "now": self.now.median, "then": self.then.median}
        return say(f"{words} ({{times}} times)", **values, times=self.times) if self.times else say(words, **values)

    @property
    def drawn(self) -> float:
        """How far it is from what it was, as far as that can be drawn."""
        return max(float(self.times.value), _SMALLEST) if self.times else 1 / _SMALLEST


@dataclass
class Comparison:
    """``verdicts`` are answers that are others than they were.

    ``same``, ``one_sided`` and ``unknown`` are whether there are figures within the spread, in one run only, or of a
    single round; ``other_marks`` is whether the conditions that were marked are others.
    """

    changed: list[Changed] = field(default_factory=list)
    verdicts: list[Sentence] = field(default_factory=list)
    same: bool = False
    one_sided: bool = False
    unknown: bool = False
    other_marks: bool = False
    lacking: Sentence | None = None

    @property
    def remarks(self) -> Iterator[str]:
        """What else there is to say of figures that are not listed."""
        if self.other_marks:
            yield "The conditions that were marked are not the same in both runs, and may be what has changed."
        if self.same:
            yield "All other figures that both runs have are within the spread."
        if self.one_sided:
            yield "Some figures are in one of the runs only, and are not compared."
        if self.unknown:
            yield "Some figures are of a single round, which has no spread to judge by."


def compare(now: Inputs, then: Inputs, answers: Sequence[Answer], before: Sequence[Answer]) -> Comparison:
    """What changed, the greatest change first."""
    found = Comparison()
    for answer, was in zip(answers, before, strict=True):
        # A baseline of the benchmark alone has nothing to say about the others.
        if answer.verdict != was.verdict and (then.get("faults") or answer.number in (2, 3, 4)):
            found.verdicts.append(say(f"{answer.claim} It was: {was.verdict}. It is: {answer.verdict}."))
    try:
        ours, theirs = (understood(partial(figures, each.document("bench"))) for each in (now, then))
    except NotMeasuredError as why:
        found.lacking = why.why
        return found
    both = ([mark.text for mark in marks(each.get("bench"))] for each in (now, then))
    found.other_marks = next(both) != next(both)
    found.one_sided = ours.keys() != theirs.keys()
    for key in ours.keys() & theirs.keys():
        try:
            order = beyond_spread(ours[key].figure, theirs[key].figure)
        except NotMeasuredError:
            found.unknown = True
            continue
        if order == 0:
            found.same = True
            continue
        was_nothing = not theirs[key].figure.value
        times = None if was_nothing else ratio(ours[key].figure.median, theirs[key].figure.median)
        verdict = _BETTER if (order > 0) == ours[key].more else _WORSE
        found.changed.append(Changed(ours[key].what, ours[key].figure, theirs[key].figure, times, verdict))
    found.changed.sort(key=lambda each: (-abs(math.log(each.drawn)), each.what.text))
    return found


def figures(bench: Document) -> Mapping[tuple[object, ...], Measured]:
    """All figures of a run that another one can have, too, by what makes them the same."""
    return dict([*_engines(bench), *_listeners(bench), *_scale(bench)])


Named = Iterator[tuple[tuple[object, ...], Measured]]


def _named(
    bench: Document, key: tuple[object, ...], path: tuple[str | int, ...], what: Sentence, **more: bool
) -> Named:
    for name, is_more in more.items():
        try:
            figure = bench.figure(*path, name)
        except NotMeasuredError:
            continue
        yield (*key, name), Measured(say(f"{{what}}, {name.replace('_', ' ')}", what=what), figure, is_more)


def _engines(bench: Document) -> Named:
    for path, about in bench.elements("throughput"):
        row = Row(path, about)
        # By all that it says of itself but for what was measured.
        key = tuple(sorted((name, each) for name, each in about.items() if not isinstance(each, Mapping)))
        try:
            what = say(
                "{engine}, {threads} threads, {conditions}",
                engine=title(bench, str(about.get("engine"))),
                threads=bench.number(*path, "threads"),
                conditions=conditions_text(bench, row),
            )
        except NotMeasuredError:
            continue
        yield from _named(bench, ("throughput", key), path, what, rate=True, p50=False, p99=False)
    for path, about in bench.elements("tail"):
        of_tail = Row(path, about).key(("engine", "threads", "scheduling", "offered"))
        try:
            what = say(
                "{engine}, {threads} threads, write to event at {offered}/s",
                engine=title(bench, str(about.get("engine"))),
                **{name: bench.number(*path, name) for name in ("threads", "offered")},
            )
        except NotMeasuredError:
            continue
        yield from _named(bench, ("tail", *of_tail), path, what, p50=False, p99=False)


def _listeners(bench: Document) -> Named:
    for name, words in LISTENERS.items():
        yield from _named(bench, (name,), ("listeners", name), say(f"{words} listener"), knee=True)
        for path, step in bench.elements("listeners", name, "steps"):
            try:
                what = say(f"{words} listener at {{offered}}/s", offered=bench.number(*path, "offered"))
            except NotMeasuredError:
                continue
            yield from _named(bench, (name, step["offered"]), path, what, achieved=True, p50=False, p99=False)


def _scale(bench: Document) -> Named:
    for path, point in bench.elements("scale", "points"):
        writers = "all write" if point.get("writers") == "all" else "one writes"
        try:
            what = say(f"{{nodes}} nodes of which {writers}", nodes=bench.number(*path, "nodes"))
        except NotMeasuredError:
            continue
        key = ("scale", point["nodes"], writers)
        yield from _named(bench, key, path, what, writes=True, last_node=False, bytes_per_write=False)


def draw(comparison: Comparison) -> Drawn:
    """Each figure that changed, as a bar from what it was. Raises NotMeasuredError where none did."""
    shown = [(each, each.times) for each in comparison.changed if each.times][:_MOST_DRAWN]
    if comparison.lacking or not shown:
        raise NotMeasuredError(comparison.lacking or "nothing that can be drawn changed beyond the spread")
    table: list[list[Cell]] = [
        [each.what, each.now.median, each.then.median, each.now.unit, each.times or "-", each.verdict]
        for each in comparison.changed
    ]
    with canvas("comparison", height=1.2 + 0.5 * len(shown)) as drawing:
        panel = drawing.panels[0]
        least, most = (of(each.drawn for each, _ in shown) for of in (min, max))
        least = min(1 / _LEAST_SPAN, least)
        panel.set_xscale("log")
        panel.set_xlim(least, max(_LEAST_SPAN, most))
        for y, (each, times) in enumerate(shown):
            place = (_BETTER, _WORSE).index(each.verdict)
            (patch,) = panel.barh(2 * y + 1, each.drawn - 1, left=1, height=0.8, **fill(place))
            patch.set_gid(drawing.name(times, each.what.text))
            panel.axhline(2 * y + 1, color=FAINT, linewidth=0.4)
            drawing.words(panel, least, 2 * y, each.what)
        for place, words in enumerate((_BETTER, _WORSE)):
            panel.barh(0, 0, left=1, label=words, **fill(place))
        panel.axvline(1, color=INK, linewidth=1)
        logarithmic(panel.xaxis)
        panel.set_yticks([])
        panel.set_ylim(2 * len(shown) - 0.4, -0.8)
        panel.set_xlabel("times what it was")
        drawing.legend()
        about = (
            "A bar per figure that changed beyond the spread, to the right where there is more of it than there was."
        )
        svg = drawing.render("What changed", about)
    return Drawn(svg, about, ("what", "now", "then", "unit", "times", "verdict"), table)
