"""Writes that all nodes together take, by the number of nodes: measured, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Iterator

from keydb_report.bench import why_not
from keydb_report.cited import Cited
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn, with_spread
from keydb_report.svg import canvas, plain_ticks

_WRITERS = {"one": "one node writes", "all": "all nodes write"}


def draw(inputs: Inputs) -> Drawn:
    """What is measured has marks of its own, and what is only computed is drawn apart from it."""
    bench = inputs.document("bench")
    points = [(path, each) for path, each in bench.elements("scale", "points") if bench.figure_if_any(*path, "writes")]
    if not points:
        raise why_not(bench, "scale")
    table: list[list[Cell]] = []
    with canvas("scale") as drawing:
        panel = drawing.panels[0]
        for place, (writers, words) in enumerate(_WRITERS.items()):
            of_these = [path for path, each in points if each.get("writers") == writers]
            curve: list[tuple[float, Cited]] = []
            for path in of_these:
                nodes, writes = bench.number(*path, "nodes"), bench.figure(*path, "writes")
                curve.append((float(nodes.value), writes.median))
                drawing.spread(panel, float(nodes.value), writes)
                figures = [with_spread(bench, *path, of) for of in ("writes", "last_node", "bytes_per_write")]
                table.append([words, nodes, *figures])
            if curve:
                drawing.curve(panel, curve, words, place)
        for place, (words, model) in enumerate(_models(bench), start=len(_WRITERS)):
            drawing.curve(panel, [(float(nodes.value), computed) for nodes, computed in model], words, place)
            table += [[words, nodes, computed, "-", "-"] for nodes, computed in model]
        panel.set_ylim(bottom=0)
        panel.xaxis.get_major_locator().set_params(integer=True)
        plain_ticks(panel.yaxis)
        panel.set_xlabel("nodes")
        panel.set_ylabel("writes/s")
        drawing.legend()
        about = "Writes per second against the number of nodes; what the model says beyond them is a curve of its own."
        svg = drawing.render("More nodes, and what the model makes of it", about)
    headings = ("what", "nodes", "writes/s", "until the last node has it, ms", "bytes per write")
    return Drawn(svg, about, headings, table)


def _models(bench: Document) -> Iterator[tuple[str, list[tuple[Cited, Cited]]]]:
    """What was computed for more nodes than were measured, by who writes."""
    found = bench.elements("scale", "model", "extrapolated")
    for writers in dict.fromkeys(each.get("writers") for _, each in found):
        who = f"if {_WRITERS[writers]}" if writers in _WRITERS else "the model"
        yield (
            f"{who}: computed",
            [
                (bench.number(*path, "nodes"), bench.number(*path, "writes", unit="writes/s"))
                for path, each in found
                if each.get("writers") == writers
            ],
        )
