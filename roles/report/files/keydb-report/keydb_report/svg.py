"""Pictures as SVG that the page's own colours apply to, with text as text and a source at each value.

matplotlib draws. What it writes is made to follow the page: placeholders of colours become the page's variables, the
names of elements are made the picture's own, for many pictures are in one page, and each value gets its source.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from keydb_report.cited import Cited, Sentence
from keydb_report.figure import Figure as Measured

# No colour that is drawn, but names of those that the page has.
INK, FAINT, PAPER = "#010203", "#010204", "#010205"
_SERIES = tuple(f"#01030{place}" for place in range(1, 7))
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{place})" for place, colour in enumerate(_SERIES, start=1)},
}
_MARKERS = "osD^vX"
_STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_FEW_DECADES = 10**2.5
_FONT = re.compile(r"'DejaVu Sans'")
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.handlelength": 3,
    "hatch.linewidth": 1,
}

ET.register_namespace("", _SVG)
ET.register_namespace("xlink", _XLINK)


def style(place: int) -> dict[str, Any]:
    """Colour, marker and stroke of a series; no two of six are alike in any of them."""
    at = place % len(_SERIES)
    return {"color": _SERIES[at], "marker": _MARKERS[at], "linestyle": _STROKES[at], "linewidth": 1.6}


def marker(place: int) -> dict[str, Any]:
    """A value of a series. Every other one is hollow and larger: where two lie on each other, both are seen."""
    hollow = place % 2 == 1
    return {"markersize": 7.5 if hollow else 4.5, "fillstyle": "none" if hollow else "full"}


def fill(place: int) -> dict[str, Any]:
    """Colour and hatching of a bar; no two of thirty-six are alike in both."""
    turn, at = divmod(place, len(_SERIES))
    hatch = _HATCHES[(at + turn) % len(_HATCHES)]
    return {"color": _SERIES[at], "hatch": hatch, "edgecolor": PAPER, "linewidth": 0}


class Canvas:
    """One picture while it is drawn. ``key`` is its name in the page."""

    def __init__(self, key: str, figure: Any, panels: list[Any]) -> None:
        self._key = key
        self._figure = figure
        self.panels = panels
        self._cited: dict[str, tuple[Cited, str]] = {}

    def name(self, cited: Cited, label: str) -> str:
        """The name to give (as gid) to what shows this value; the label says what it is of."""
        name = f"value-{len(self._cited)}"
        self._cited[name] = cited, label
        return name

    def curve(self, panel: Any, points: list[tuple[float, Cited]], label: str, place: int, least: float = 0) -> None:
        """A line through points of a series, each of which has its source and tells its value.

        What is below the ``least`` that can be shown is shown there.
        """
        look = style(place)
        ordered = sorted(points, key=lambda point: point[0])
        xs, ys = [x for x, _ in ordered], [max(float(cited.value), least) for _, cited in ordered]
        # Its marker is there for the legend alone.
        panel.plot(xs, ys, label=label, markevery=[], **look, **marker(place))
        for (x, cited), y in zip(ordered, ys, strict=True):
            self.point(panel, x, y, cited, label, place)

    def point(self, panel: Any, x: float, y: float, cited: Cited, label: str, place: int) -> None:
        """A value alone."""
        look = style(place) | marker(place) | {"linestyle": "none"}
        panel.plot([x], [y], gid=self.name(cited, label), **look)

    def bar(self, panel: Any, y: float, figure: Measured, label: str, place: int, height: float = 0.8) -> None:
        """The median as a bar from the left, with the spread of the rounds."""
        (patch,) = panel.barh(y, figure.value, height=height, **fill(place))
        patch.set_gid(self.name(figure.median, label))
        panel.plot(figure.span, [y, y], color=INK, linewidth=1)

    @staticmethod
    def spread(panel: Any, x: float, figure: Measured) -> None:
        """From the least to the most, upright."""
        panel.plot([x, x], figure.span, color=INK, linewidth=0.8)

    def legend(self, labels: Mapping[str, Sentence] | None = None, columns: int = 2) -> None:
        """Below the panels, one for all of them. ``labels`` are those that are made of cited values."""
        found: dict[str, Any] = {}
        for panel in self.panels:
            handles, names = panel.get_legend_handles_labels()
            found |= dict(zip(names, handles, strict=True))
        made = self._figure.legend(
            found.values(), found.keys(), loc="outside lower center", ncols=columns, fontsize=8.5
        )
        for text in made.get_texts():
            if labels and text.get_text() in labels:
                text.set_gid(self.name(labels[text.get_text()].as_one(), ""))

    def words(self, panel: Any, x: float, y: float, sentence: Sentence) -> None:
        """Words with cited values in them."""
        panel.text(x, y, sentence.text, fontsize=8.5, va="center", gid=self.name(sentence.as_one(), ""))

    def title(self, panel: Any, sentence: Sentence) -> None:
        """Above a panel."""
        panel.set_title(sentence.text, fontsize=8.5, loc="left", gid=self.name(sentence.as_one(), ""))

    def note(self, panel: Any, x: float, y: float, cited: Cited, label: str, **how: Any) -> None:
        """A value as text."""
        panel.text(x, y, cited.text, gid=self.name(cited, label), **how)

    def render(self, title: str, about: str) -> str:
        """The element ``svg``, for the page."""
        written = io.BytesIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None})
        root = ET.fromstring(written.getvalue())  # noqa: S314  # it was written a line above
        self._tidy(root, title, about)
        text = ET.tostring(root, encoding="unicode")
        for colour, variable in _VARIABLES.items():
            text = text.replace(colour, variable)
        text = _FONT.sub("system-ui", text)
        return self._own_names(text)

    def _tidy(self, root: ET.Element, title: str, about: str) -> None:
        for gone in root.findall(f"{{{_SVG}}}metadata"):
            root.remove(gone)
        for attribute in ("width", "height"):
            root.attrib.pop(attribute, None)
        root.attrib |= {"role": "img", "aria-labelledby": "title about"}
        for place, (name, text) in enumerate((("title", title), ("about", about))):
            element = ET.Element(f"{{{_SVG}}}{'title' if name == 'title' else 'desc'}", {"id": name})
            element.text = text
            root.insert(place, element)
        for element in root.iter():
            cited = self._cited.get(element.attrib.get("id", ""))
            if cited is None:
                continue
            element.attrib |= cited[0].attributes() | {"data-value": f"{cited[0].value}"}
            if cited[1]:
                hint = ET.Element(f"{{{_SVG}}}title")
                hint.text = f"{cited[1]}: {cited[0].with_unit}"
                element.insert(0, hint)

    def _own_names(self, text: str) -> str:
        for before in ('id="', 'href="#', "url(#"):
            text = text.replace(before, f"{before}{self._key}-")
        return text.replace('aria-labelledby="title about"', f'aria-labelledby="{self._key}-title {self._key}-about"')


@contextmanager
def canvas(key: str, rows: int = 1, height: float = 3.2, **layout: Any) -> Iterator[Canvas]:
    """A picture of so many panels, one above the other; ``height`` of all of them, where the width is 5."""
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": key}):
        figure = Figure(figsize=(5.0, height), layout="constrained")
        panels = figure.subplots(rows, 1, squeeze=False, **layout)
        yield Canvas(key, figure, [row[0] for row in panels])


def plain_ticks(axis: Any) -> None:
    """Numbers as people write them, on a logarithmic axis, too."""
    axis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    axis.set_minor_formatter(lambda _value, _place: "")


def logarithmic(axis: Any) -> None:
    """Ticks within a decade, too, where there are only a few; to be called when all is drawn that there is to see."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    least, most = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < least * _FEW_DECADES else (1,)))
    axis.set_minor_locator(NullLocator())
    plain_ticks(axis)
