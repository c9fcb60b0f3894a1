"""The listeners: how late they are at one rate, by percentile, and at every rate."""

from __future__ import annotations

from matplotlib.ticker import NullLocator

from keydb_report.bench import LISTENERS, why_not
from keydb_report.cited import Cited, NotMeasuredError, plain_number, say
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn, with_spread
from keydb_report.svg import canvas, logarithmic

_WHOLE = 100.0
# Where the last percentile, that of the longest delay, is drawn: as if it were one of so many.
_LAST = 1e5
# Nothing below a microsecond is real, and a logarithm wants it positive.
_SHORTEST_MS = 0.001


def _measured(bench: Document) -> list[str]:
    if bench.find("listeners") is None:
        raise why_not(bench, "listeners")
    return [name for name in LISTENERS if bench.find("listeners", name) is not None]


def _rarity(percent: float) -> float:
    """One event in how many is later than that."""
    return min(_WHOLE / (_WHOLE - percent), _LAST) if percent < _WHOLE else _LAST


def percentiles(inputs: Inputs) -> Drawn:
    """From common to rare on a logarithmic axis, as histograms of delays are drawn for their tails to be seen."""
    bench = inputs.document("bench")
    rows: list[list[Cited | str]] = []
    with canvas("percentiles") as drawing:
        panel = drawing.panels[0]
        for place, name in enumerate(_measured(bench)):
            points = []
            for at, pair in enumerate(bench.find("listeners", name, "percentiles") or []):
                path = ("listeners", name, "percentiles", at)
                if isinstance(pair, list) and len(pair) > 1 and all(map(plain_number, pair[:2])):
                    percent, delay = bench.number(*path, 0, unit="%"), bench.number(*path, 1, unit="ms")
                    points.append((_rarity(float(percent.value)), delay))
                    rows.append([LISTENERS[name], percent, delay])
            if points:
                drawing.curve(panel, points, LISTENERS[name], place, _SHORTEST_MS)
        if not rows:
            raise NotMeasuredError(f"{bench.label} has no percentiles of the listeners")
        panel.set_xscale("log")
        panel.set_xticks([1, 2, 10, 100, 1000, 10_000], ["0", "50", "90", "99", "99.9", "99.99"])
        panel.set_xlim(1, max(point[0] for point in points) * 1.3 if points else _LAST)
        panel.xaxis.set_minor_locator(NullLocator())
        logarithmic(panel.yaxis)
        panel.set_xlabel("percentile")
        if plain_number(bench.find("listeners", _measured(bench)[0], "percentiles_at")):
            rate = bench.number("listeners", _measured(bench)[0], "percentiles_at")
            drawing.title(panel, say("at {rate} events/s", rate=rate))
        panel.set_ylabel("write to reaction, ms")
        drawing.legend()
        about = "One curve per listener; a curve that rises to the right has rare events that are much later than most."
        svg = drawing.render("Percentiles of both listeners", about)
    return Drawn(svg, about, ("listener", "percentile", "delay, ms"), rows)


def lag(inputs: Inputs) -> Drawn:
    """Median and 99th percentile of each listener at each rate that was offered, and its knee."""
    bench = inputs.document("bench")
    rows: list[list[Cell]] = []
    with canvas("lag", rows=2, height=5.4, sharex=True) as drawing:
        for place, name in enumerate(_measured(bench)):
            steps = [path for path, _ in bench.elements("listeners", name, "steps")]
            for panel, percentile in zip(drawing.panels, ("p50", "p99"), strict=True):
                points = []
                for path in steps:
                    figure = bench.figure_if_any(*path, percentile)
                    offered = float(bench.number(*path, "offered").value)
                    if figure is None:
                        continue
                    points.append((offered, figure.median))
                    drawing.spread(panel, offered, figure)
                if points:
                    drawing.curve(panel, points, LISTENERS[name], place, _SHORTEST_MS)
            for path in steps:
                row: list[Cell] = [LISTENERS[name], bench.number(*path, "offered")]
                row += [with_spread(bench, *path, of) for of in ("achieved", "p50", "p99")]
                row += [bench.number(*path, of) for of in ("missed", "superseded")]
                rows.append(row)
        if not rows:
            raise NotMeasuredError(f"{bench.label} has no steps of the listeners")
        for panel, words in zip(drawing.panels, ("median", "99th percentile"), strict=True):
            panel.set_ylabel(f"{words}, ms")
            logarithmic(panel.xaxis)
            logarithmic(panel.yaxis)
        drawing.panels[-1].set_xlabel("offered, events/s")
        drawing.legend()
        about = "Delay from write to reaction at each rate; a thin upright line is the spread of the rounds."
        svg = drawing.render("Lag against offered rate", about)
    headings = ("listener", "offered/s", "achieved/s", "median, ms", "p99, ms", "missed", "superseded")
    return Drawn(svg, about, headings, rows)
