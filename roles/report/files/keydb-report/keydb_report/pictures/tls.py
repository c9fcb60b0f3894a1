"""Throughput with and without TLS, and with and without authentication, all else being equal."""

from __future__ import annotations

from typing import Any

from keydb_report.bench import CONDITIONS, Row, rows, work_text
from keydb_report.cited import NotMeasuredError, say
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.engines import contestant
from keydb_report.pictures.picture import Cell, Drawn, with_spread
from keydb_report.svg import canvas, fill, plain_ticks

_MOST_GROUPS = 6
# From the cheapest on.
_WAYS = {
    (False, False): "neither",
    (False, True): "authentication",
    (True, False): "TLS",
    (True, True): "TLS and authentication",
}


def draw(inputs: Inputs) -> Drawn:
    """One group per engine and condition, one bar in it for each way it was reached."""
    bench = inputs.document("bench")
    groups = [group for group in _groups(bench) if len(group) > 1]
    if not groups:
        raise NotMeasuredError("nothing was measured both with and without TLS or authentication")
    shown = groups[:_MOST_GROUPS]
    height = 1.1 + 0.32 * len(shown) + 0.24 * sum(map(len, shown))
    table: list[list[Cell]] = []
    with canvas("tls", height=height) as drawing:
        panel, y = drawing.panels[0], 0.0
        for group in shown:
            first = next(iter(group.values()))
            engine, work = contestant(bench, first), work_text(bench, first)
            drawing.words(panel, 0, y, say("{engine}: {work}", engine=engine, work=work))
            for way, row in group.items():
                y += 1
                drawing.bar(panel, y, bench.figure(*row.path, "rate"), _WAYS[way], list(_WAYS).index(way))
            y += 1.5
        panel.set_ylim(y - 0.5, -1)
        panel.set_yticks([])
        panel.grid(visible=False, axis="y")
        panel.set_xlim(left=0)
        plain_ticks(panel.xaxis)
        panel.locator_params(axis="x", nbins=5)
        panel.set_xlabel("operations/s, median and spread")
        for place, words in enumerate(_WAYS.values()):
            panel.bar(0, 0, label=words, **fill(place))
        drawing.legend()
        about = "A bar per way to reach the engine; what a bar is shorter than the one above it is what the way costs."
        svg = drawing.render("What TLS and authentication cost", about)
    for group in groups:
        for way, row in group.items():
            numbers = [with_spread(bench, *row.path, of) for of in ("rate", "p50", "p99")]
            table.append([contestant(bench, row), work_text(bench, row), _WAYS[way], *numbers])
    headings = ("engine", "what", "reached by", "rate/s", "p50, ms", "p99, ms")
    return Drawn(svg, about, headings, table)


def _groups(bench: Document) -> list[dict[tuple[bool, bool], Row]]:
    names = ("engine", "threads", *(name for name in CONDITIONS if name not in ("tls", "authentication")))
    found: dict[tuple[Any, ...], dict[tuple[bool, bool], Row]] = {}
    for row in rows(bench, "throughput"):
        way = bool(row.about.get("tls")), bool(row.about.get("authentication"))
        found.setdefault(row.key(names), {})[way] = row
    return [{way: group[way] for way in _WAYS if way in group} for group in found.values()]
