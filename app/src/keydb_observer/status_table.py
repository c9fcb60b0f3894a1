"""The status as two tables for a terminal: the nodes with their observers, and what the listeners measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keydb_observer.duration import NS_PER_MILLISECOND, age_text, latency_text
from keydb_observer.messages import Distribution
from keydb_observer.status import ClusterStatus, NodeStatus, ObserverStatus

WIDTH = 110
_GAP = "  "
_NODE_HEADINGS = ("NODE", "ROLE", "ENGINE", "LINKS", "OBSERVER", "LAST WRITE")
_LISTENER_TITLE = "Time from a write to its event, in milliseconds:"
_LISTENER_HEADINGS = (
    *("LISTENER", "HOST", "FOLLOWS", "SPAN"),
    *("COUNT", "P50", "P90", "P99", "P99.9", "MAX", "MISSED", "SUPERSEDED", "CLOCK ERROR"),
)
_FIRST_FIGURE = 4
_LARGEST_WHOLE_COUNT = 9_999_999

_Row = tuple[str, ...]


def render(status: ClusterStatus) -> str:
    """The nodes, what is not well with them, and the listeners that report. At most WIDTH wide."""
    nodes = [_NODE_HEADINGS, *(row for node in status.nodes for row in _node_rows(node))]
    lines = [*_aligned(nodes, names=(0,), first_figure=len(_NODE_HEADINGS)), *_complaints(status)]
    listeners = [row for node in status.nodes for observer in node.observers for row in _listener_rows(node, observer)]
    if listeners:
        table = _aligned([_LISTENER_HEADINGS, *listeners], names=(1, 2), first_figure=_FIRST_FIGURE)
        lines += ["", _LISTENER_TITLE, *table]
    return "\n".join(_clipped(line, WIDTH) for line in lines)


def _node_rows(node: NodeStatus) -> Iterator[_Row]:
    name = node.node.name
    observers = [(observer.name, _last_write(observer)) for observer in node.observers]
    if node.facts is None:
        yield name, f"unreachable: {node.unreachable}"
        yield from (("", "", "", "", *cells) for cells in observers)
        return
    facts = node.facts
    about_node = (name, facts.role, f"{facts.engine} {facts.version}", f"{facts.links_up}/{facts.links_expected}")
    first, *others = observers or [("-", "-")]
    yield *about_node, *first
    yield from (("", "", "", "", *cells) for cells in others)


def _last_write(observer: ObserverStatus) -> str:
    if observer.age_ns is None:
        return "-"
    # Clocks differ: a write that seems to come from the future was made just now.
    return f"seq {observer.seq}, {age_text(max(observer.age_ns, 0))} ago"


def _listener_rows(node: NodeStatus, observer: ObserverStatus) -> Iterator[_Row]:
    """Two for each listener that has reported: the last minute, and the run with what was counted in it."""
    if observer.counts is None or observer.minute is None or observer.run is None:
        return
    # A name of a node is whatever the report says, and a terminal obeys what is not printable.
    follows = "".join(character if character.isprintable() else "?" for character in observer.follows or "-")
    names = (observer.name.removeprefix("listener-"), node.node.name, follows, "minute")
    if observer.stale:
        yield *names, f"stale: reported {age_text(max(observer.report_age_ns or 0, 0))} ago"
    else:
        error = "unknown" if observer.error_ns is None else latency_text(observer.error_ns)
        yield *names, *_distribution(observer.minute), "", "", error
    counts = observer.counts
    yield "", "", "", "run", *_distribution(observer.run), _count(counts.missed), _count(counts.superseded), ""


def _distribution(distribution: Distribution) -> _Row:
    percentiles = (distribution.p50_ns, distribution.p90_ns, distribution.p99_ns, distribution.p999_ns)
    return _count(distribution.count), *map(_milliseconds, (*percentiles, distribution.max_ns))


def _count(count: int) -> str:
    return str(count) if count <= _LARGEST_WHOLE_COUNT else f"{count / 1_000_000:.0f} M"


def _milliseconds(duration_ns: int | None) -> str:
    """To three significant digits, which is what a histogram has, but not below a microsecond."""
    if duration_ns is None:
        return "-"
    duration_ms = duration_ns / NS_PER_MILLISECOND
    digits_in_front = len(str(int(abs(duration_ms)))) if abs(duration_ms) >= 1 else 0
    return f"{duration_ms:.{max(3 - digits_in_front, 0)}f}"


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


def _aligned(rows: Sequence[_Row], names: Sequence[int], first_figure: int) -> Iterator[str]:
    """Columns, the first row being the headings; those from ``first_figure`` on end where their headings end.

    Where a row is shorter than the headings, its last cell runs on. The columns ``names`` take what the others leave.
    """
    headings = rows[0]
    widths = [
        max(len(row[column]) for row in rows if column < len(row) - 1 or len(row) == len(headings))
        for column in range(len(headings))
    ]
    for _ in range(sum(widths) + len(_GAP) * (len(widths) - 1) - WIDTH):
        shrinkable = [column for column in names if widths[column] > len(headings[column])]
        if shrinkable:
            widths[max(shrinkable, key=widths.__getitem__)] -= 1
    for row in rows:
        cells = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=False)):
            text = _shortened(cell, width) if column in names else cell
            cells.append(text.ljust(width) if column < first_figure else text.rjust(width))
        yield _GAP.join(cells).rstrip()


def _shortened(name: str, width: int) -> str:
    """Without its middle: names of hosts differ at their ends."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
