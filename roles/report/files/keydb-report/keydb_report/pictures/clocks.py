"""How far the clocks of each two nodes may be apart, which is what a one-way delay may be wrong by."""

from __future__ import annotations

from keydb_report.cited import NotMeasuredError
from keydb_report.inputs import Inputs
from keydb_report.pictures.picture import Cell, Drawn
from keydb_report.svg import canvas, fill

_US_PER_S = 1_000_000
_MOST_PAIRS = 30


def draw(inputs: Inputs) -> Drawn:
    """A bar per pair; a pair of which nothing is known has a question mark."""
    verify = inputs.document("verify")
    pairs = verify.elements("clocks", "pairs")
    if not pairs:
        raise NotMeasuredError(f"{verify.label} has no pairs of clocks")
    # The worst of many, for a picture of all pairs of twenty nodes shows none of them.
    worst = sorted(pairs, key=lambda pair: -(pair[1].get("error_bound_s") or float("inf")))
    shown = worst[:_MOST_PAIRS] if len(pairs) > _MOST_PAIRS else pairs
    table: list[list[Cell]] = []
    for path, pair in pairs:
        row: list[Cell] = [" - ".join(map(str, pair.get("nodes", [])))]
        for name in ("offset_s", "error_bound_s"):
            found = verify.find(*path, name)
            row.append("unknown" if found is None else verify.number(*path, name).times(_US_PER_S, "µs"))
        table.append(row)
    with canvas("clocks", height=1.0 + 0.3 * len(shown)) as drawing:
        panel = drawing.panels[0]
        names = [" - ".join(map(str, pair.get("nodes", []))) for _, pair in shown]
        for y, (path, pair) in enumerate(shown):
            if pair.get("error_bound_s") is None:
                panel.text(0, y, " ? unknown", va="center")
                continue
            bound = verify.number(*path, "error_bound_s").times(_US_PER_S, "µs")
            (patch,) = panel.barh(y, float(bound.value), height=0.6, **fill(0))
            patch.set_gid(drawing.name(bound, f"{names[y]}, error bound"))
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_xlim(left=0)
        panel.set_xlabel("error bound, µs")
        about = "A bar per pair of nodes: a one-way delay between them is known to no less than that."
        svg = drawing.render("How far clocks may be apart", about)
    return Drawn(svg, about, ("clocks of", "offset, µs", "error bound, µs"), table)
