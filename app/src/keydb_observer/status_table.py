"""The status as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from keydb_observer.duration import age_text, latency_text
from keydb_observer.status import ClusterStatus, NodeStatus, ObserverStatus

WIDTH = 110
_GAP = "  "
_HEADINGS = ("NODE", "ROLE", "ENGINE", "LINKS", "OBSERVER", "LAST WRITE", "P50", "P99")
_UNREACHABLE_CELLS = 2


def render(status: ClusterStatus) -> str:
    """Aligned columns, a row for each node and observer, and below them what is not well. At most WIDTH wide."""
    rows = [_HEADINGS, *(row for node in status.nodes for row in _rows(node))]
    whole = [row for row in rows if len(row) == len(_HEADINGS)]
    widths = [max(len(row[column]) for row in whole) for column in range(1, len(_HEADINGS))]
    # A long node name takes what the others leave.
    left = WIDTH - sum(widths) - len(_GAP) * len(widths)
    widths.insert(0, min(max(len(row[0]) for row in rows), left))
    lines = [*(_line(row, widths) for row in rows), *_complaints(status)]
    return "\n".join(_clipped(line, WIDTH) for line in lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name = _clipped(row[0], widths[0]).ljust(widths[0])
    if len(row) == _UNREACHABLE_CELLS:
        return f"{name}{_GAP}{row[1]}"
    cells = (cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return _GAP.join((name, *cells)).rstrip()


def _rows(node: NodeStatus) -> Iterator[tuple[str, ...]]:
    name = node.node.name
    observers = [_observer_cells(observer) for observer in node.observers]
    if node.facts is None:
        yield name, f"unreachable: {node.unreachable}"
        yield from (("", "", "", "", *cells) for cells in observers)
        return
    facts = node.facts
    about_node = (name, facts.role, f"{facts.engine} {facts.version}", f"{facts.links_up}/{facts.links_expected}")
    first, *others = observers or [("-", "-", "-", "-")]
    yield *about_node, *first
    yield from (("", "", "", "", *cells) for cells in others)


def _observer_cells(observer: ObserverStatus) -> tuple[str, ...]:
    # Clocks differ: a write that seems to come from the future was made just now.
    age = age_text(max(observer.age_ns, 0))
    return (observer.name, f"seq {observer.seq}, {age} ago", _latency(observer.p50_ns), _latency(observer.p99_ns))


def _latency(latency_ns: int | None) -> str:
    return "-" if latency_ns is None else latency_text(latency_ns)


def _complaints(status: ClusterStatus) -> Iterator[str]:
    names = {node.node.address: node.node.name for node in status.nodes}
    for node in status.nodes:
        if node.facts is None or node.is_well:
            continue
        down = [names.get(link.peer, link.peer) for link in node.facts.links if not link.is_up]
        missing = node.facts.links_expected - len(node.facts.links)
        if down:
            yield f"{node.node.name}: link down to {', '.join(down)}"
        if missing > 0:
            yield f"{node.node.name}: {missing} of {node.facts.links_expected} links not there at all"


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
