"""Writes that all nodes together take, by the number of nodes: measured, and what the model makes of it."""

from __future__ import annotations

from keydb_report.bench import why_not
from keydb_report.cited import Cited
from keydb_report.inputs import Inputs
from keydb_report.pictures.picture import Cell, Drawn, median
from keydb_report.svg import canvas, plain_ticks

_WRITERS = {"one": "one node writes", "all": "all nodes write"}
_MODEL = "the model, not measured"


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
                others = [median(bench, *path, of) for of in ("last_node", "bytes_per_write")]
                table.append([words, nodes, writes.median, *others])
            if curve:
                drawing.curve(panel, curve, words, place)
        model: list[tuple[float, Cited]] = []
        for path, _ in bench.elements("scale", "model", "extrapolated"):
            nodes, computed = bench.number(*path, "nodes"), bench.number(*path, "writes", unit="writes/s")
            model.append((float(nodes.value), computed))
            table.append([_MODEL, nodes, computed, "-", "-"])
        if model:
            drawing.curve(panel, model, _MODEL, len(_WRITERS))
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
