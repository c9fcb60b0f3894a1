"""Throughput and round trip between every two nodes, each way."""

from __future__ import annotations

from typing import Any

from keydb_report.cited import NotMeasuredError
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn
from keydb_report.svg import FAINT, INK, PAPER, canvas

# More names would run into each other.
_MOST_UPRIGHT, _MOST_LARGE = 6, 10
_SLOW, _GOOD, _UNKNOWN = "too slow", "as it should be", "not measured"
_LOOKS: dict[str, dict[str, Any]] = {
    _GOOD: {"edgecolor": FAINT, "linewidth": 0.6},
    _SLOW: {"edgecolor": INK, "linewidth": 1.6, "hatch": "////"},
    _UNKNOWN: {"edgecolor": FAINT, "linewidth": 0.6, "hatch": "..."},
}
# What is written over hatching needs room around it.
_WRITING: dict[str, dict[str, Any]] = {
    _GOOD: {},
    _SLOW: {"weight": "bold", "bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 1}},
}


def draw(inputs: Inputs) -> Drawn:
    """From row to column; a pair that is too slow is hatched in a thick frame."""
    network = inputs.document("network")
    names = [name for _, name, _ in network.items("links")]
    pairs = network.elements("pairs")
    if not pairs:
        raise NotMeasuredError(f"{network.label} has no pairs")
    table: list[list[Cell]] = []
    size, small = 0.5 * len(names), 9 if len(names) <= _MOST_LARGE else 6
    with canvas("network", height=min(1.3 + size, 6)) as drawing:
        panel = drawing.panels[0]
        for path, pair in pairs:
            row, column = (names.index(pair[end]) if pair.get(end) in names else None for end in ("source", "target"))
            verdict = _verdict(network, path)
            table.append(_row(network, path, verdict))
            if row is None or column is None:
                continue
            panel.bar(column, 0.9, bottom=row - 0.45, width=0.9, facecolor="none", **_LOOKS[verdict])
            if verdict == _UNKNOWN:
                panel.text(column, row, "?", ha="center", va="center")
                continue
            mbits = network.number(*path, "throughput", "mbits", unit="Mbit/s")
            what = f"{pair['source']} to {pair['target']}, {verdict}"
            drawing.note(panel, column, row, mbits, what, ha="center", va="center", fontsize=small, **_WRITING[verdict])
        panel.set_xticks(range(len(names)), names, rotation=60 if len(names) > _MOST_UPRIGHT else 0)
        panel.set_yticks(range(len(names)), names)
        panel.set_xlim(-0.6, len(names) - 0.4)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.grid(visible=False)
        panel.set_xlabel("to (Mbit/s)")
        panel.set_ylabel("from")
        about = "Mbit/s from the node of the row to that of the column. Hatched, in a thick frame: too slow."
        svg = drawing.render("The network between every two nodes", about)
    headings = ("from", "to", "Mbit/s", "round trip, ms", "worst, ms", "verdict", "likely cause")
    return Drawn(svg, about, headings, table)


def _verdict(network: Document, path: tuple[str | int, ...]) -> str:
    if network.find(*path, "throughput", "mbits") is None:
        return _UNKNOWN
    return _SLOW if network.find(*path, "causes") else _GOOD


def _row(network: Document, path: tuple[str | int, ...], verdict: str) -> list[Cell]:
    row: list[Cell] = [network.word(*path, "source"), network.word(*path, "target")]
    fields = (("throughput", "mbits"), ("round_trip", "median_ms"), ("round_trip", "worst_ms"))
    row += ["-" if network.find(*path, *field) is None else network.number(*path, *field) for field in fields]
    return [*row, verdict, network.word(*path, "causes", 0) if network.find(*path, "causes", 0) else "-"]
