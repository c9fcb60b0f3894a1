"""All pictures, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from keydb_report.cited import NotMeasuredError, understood
from keydb_report.inputs import Inputs
from keydb_report.pictures import clocks, engines, faults, listeners, network, scale, tls
from keydb_report.pictures.picture import Drawn, Picture

_DRAWERS: tuple[tuple[str, str, Callable[[Inputs], Drawn]], ...] = (
    ("percentiles", "Percentiles of both listeners", listeners.percentiles),
    ("lag", "Lag against offered rate", listeners.lag),
    ("engines", "Engines side by side", engines.draw),
    ("tls", "What TLS and authentication cost", tls.draw),
    ("scale", "More nodes, and what the model makes of it", scale.draw),
    ("faults", "The faults over time", faults.draw),
    ("network", "The network between every two nodes", network.draw),
    ("clocks", "How far clocks may be apart", clocks.draw),
)


def pictures(inputs: Inputs) -> list[Picture]:
    """Each of them, drawn, or with the reason why there is nothing to draw."""
    found = []
    for key, title, draw in _DRAWERS:
        try:
            found.append(Picture(key, title, understood(partial(draw, inputs))))
        except NotMeasuredError as why:
            found.append(Picture(key, title, lacking=why.why))
    return found
