"""Lag against offered rate, for every contender and engine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.benchmark import PLAIN, Results
from bench.contenders import CONTENDERS
from bench.engines import Engine
from bench.trial import IN_TIME_MS, Window

# Told apart by shape and stroke first, so that neither print nor eye needs the colours (Okabe and Ito's).
_MARKERS = "sDo^vXP*<>hp"
_STROKES = ("-", "--", "-.", ":")
_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_PERCENTILES = {"p50_ns": "median", "p99_ns": "99th percentile"}


@dataclass(frozen=True)
class Point:
    """At ``rate`` writes/s, a lag in ms."""

    rate: int
    lag_ms: float


def curve(windows: Iterable[Window], percentile: str) -> list[Point]:
    """The median lag at each rate that was offered, by ascending rate."""
    known = sorted((window for window in windows if window.until_done), key=lambda window: window.rate)
    points = []
    for rate, group in groupby(known, key=lambda window: window.rate):
        lags = [getattr(window.until_done, percentile) / 1e6 for window in group]
        # Nothing below a microsecond is real, and a logarithm wants it positive.
        points.append(Point(rate, max(statistics.median(lags), 0.001)))
    return points


def draw(results: Results, engines: Sequence[Engine], directory: Path) -> list[Path]:
    """Returns the files it made, one SVG and one PNG."""
    # No display is needed, and none is looked for.
    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415  # it has to come after that

    labels = {engine.name: engine.label for engine in engines}
    columns = list(dict.fromkeys((case.engine, case.transport) for case in results.cases))
    figure, axes = pyplot.subplots(
        len(_PERCENTILES),
        len(columns),
        figsize=(2.0 + 4.2 * len(columns), 8.0),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for column, (engine, transport) in enumerate(columns):
        for row, (percentile, title) in enumerate(_PERCENTILES.items()):
            panel = axes[row][column]
            _prepare(panel)
            for case, measured in results.cases.items():
                points = curve(measured.windows, percentile)
                if (case.engine, case.transport) == (engine, transport) and points:
                    rates, lags = [point.rate for point in points], [point.lag_ms for point in points]
                    panel.plot(rates, lags, label=case.contender, **_style(case.contender))
            if row == 0:
                panel.set_title(f"{labels[engine]}, {'plain' if transport == PLAIN else 'TLS'}", fontsize=11)
            if column == 0:
                panel.set_ylabel(f"{title} of the lag, ms")
            if row == len(_PERCENTILES) - 1:
                panel.set_xlabel("offered rate, writes/s")
    _add_legend(figure, axes[0])
    figure.suptitle("From the time at which a write was to be sent until its listener was done with it")
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"lag.{suffix}" for suffix in ("svg", "png")]
    for file in files:
        figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return files


def _add_legend(figure: Any, panels: Iterable[Any]) -> None:
    """One for all panels."""
    found: dict[str, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        columns = min(len(found), 6)
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns, handlelength=4)


def _prepare(panel: Any) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.grid(visible=True, which="major", alpha=0.4)
    panel.grid(visible=True, which="minor", alpha=0.12)
    panel.axhline(IN_TIME_MS, color="black", linewidth=0.8)
    panel.annotate(f"{IN_TIME_MS} ms", (0.01, IN_TIME_MS), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")


def _style(contender: str) -> dict[str, Any]:
    place = list(CONTENDERS).index(contender)
    return {
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": _STROKES[place % len(_STROKES)],
        "color": _COLOURS[place % len(_COLOURS)],
        "markersize": 5,
        "linewidth": 1.4,
        "fillstyle": "full" if place % 2 else "none",
    }
