"""The frame of ``top`` as lines of text, for a width and a height, each with what it is. No terminal is needed."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keydb_observer.columns import Column, aligned, clipped
from keydb_observer.duration import NS_PER_MILLISECOND, NS_PER_SECOND, age_text
from keydb_observer.messages import Distribution, Handshake
from keydb_observer.status import NodeStatus, ObserverStatus
from keydb_observer.top_frame import Frame, NodeFrame, Silence

_TITLE = "keydb-observer top"
_KEYS = "q ends"
_UNKNOWN = "-"
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")


class Kind(enum.Enum):
    """What a line is, for whoever colours it."""

    TITLE = "title"
    HEADING = "heading"
    PLAIN = "plain"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Line:
    """Text without control characters, and what it is."""

    text: str
    kind: Kind = Kind.PLAIN


# The smaller the number, the longer a column stays when there is no room for all.
_NODE_COLUMNS = (
    Column("NODE", 0, is_name=True),
    Column("ROLE", 5),
    Column("ENGINE", 7),
    Column("LINKS", 1),
    Column("OPS/S", 1, is_figure=True),
    Column("IN/S", 2, is_figure=True),
    Column("OUT/S", 2, is_figure=True),
    Column("CLIENTS", 6, is_figure=True),
    Column("MEMORY", 4, is_figure=True),
)
_OBSERVER_COLUMNS = (
    Column("OBSERVER", 0),
    Column("HOST", 0, is_name=True),
    Column("FOLLOWS", 6, is_name=True),
    Column("RATE/S", 1, is_figure=True),
    Column("P50", 1, is_figure=True),
    Column("P99", 1, is_figure=True),
    Column("MAX", 5, is_figure=True),
    Column("CLOCK", 7, is_figure=True),
    Column("MISSED", 3, is_figure=True),
    Column("SUPERSEDED", 8, is_figure=True),
    Column("LAST SEQ", 4, is_figure=True),
    Column("TOOK", 5, is_figure=True),
    Column("AGO", 2, is_figure=True),
)
_LEGEND = "RATE/S: writes or events; P50 to TOOK: ms, write to event"


def lines_of(frame: Frame, width: int, height: int | None = None, *, is_live: bool = False) -> list[Line]:
    """No line is wider than ``width``; beyond ``height`` the last one says how many are not shown."""
    lines = [_title(frame, width, is_live=is_live), *_nodes(frame, width)]
    observers = list(_observers(frame, width))
    if observers:
        lines += [Line(""), *observers, Line(clipped(_LEGEND, width))]
    if height is None or len(lines) <= height:
        return lines
    shown = max(height - 1, 0)
    more = Line(clipped(f"… {len(lines) - shown} more lines: a taller terminal shows them", width), Kind.WARNING)
    return [*lines[:shown], more][:height]


def _title(frame: Frame, width: int, *, is_live: bool) -> Line:
    count = len(frame.nodes)
    facts = [f"{frame.well} of {count} nodes well", _time_of_day(frame.taken_ns)]
    # What matters less is left out where there is no room.
    for more in (f"every {frame.interval_s:g} s", *([_KEYS] if is_live else [])):
        if len("  ".join([_TITLE, *facts, more])) <= width:
            facts.append(more)
    return Line(clipped("  ".join([_TITLE, *facts]), width), Kind.TITLE)


def _nodes(frame: Frame, width: int) -> Iterator[Line]:
    rows, kinds = [], []
    for status, node in zip(frame.status.nodes, frame.nodes, strict=True):
        rows.append(_node_row(status, node))
        kinds.append(_node_kind(status, node))
    heading, *texts = aligned(_NODE_COLUMNS, rows, width)
    yield Line(heading, Kind.HEADING)
    yield from (Line(text, kind) for text, kind in zip(texts, kinds, strict=True))


def _node_row(status: NodeStatus, node: NodeFrame) -> Sequence[str]:
    name = status.node.name
    if node.silence:
        return name, _silence_text(node.silence)
    facts, rates, counters = status.facts, node.rates, node.counters
    if facts is None or counters is None:
        return name, "connecting"
    return (
        name,
        facts.role,
        f"{facts.engine} {facts.version}",
        f"{facts.links_up}/{facts.links_expected}",
        _rate(rates.commands if rates else None),
        _bytes(rates.input_bytes if rates else None),
        _bytes(rates.output_bytes if rates else None),
        str(counters.clients),
        _bytes(counters.memory_bytes),
    )


def _node_kind(status: NodeStatus, node: NodeFrame) -> Kind:
    if node.silence:
        return Kind.TROUBLE
    return Kind.PLAIN if status.is_well or status.facts is None else Kind.WARNING


def _silence_text(silence: Silence) -> str:
    """When it was last heard of comes first: the reason may have to be cut."""
    since = f"no answer since {_time_of_day(silence.since_ns)}, {age_text(silence.lasts_ns)}"
    return f"{since}: {silence.why}" if silence.why else since


def _observers(frame: Frame, width: int) -> Iterator[Line]:
    rows, kinds = [], []
    for node in frame.status.nodes:
        for observer in node.observers:
            rows.append(_observer_row(frame, node.node.name, observer))
            kinds.append(Kind.WARNING if observer.stale else Kind.PLAIN)
    if rows:
        heading, *texts = aligned(_OBSERVER_COLUMNS, rows, width)
        yield Line(heading, Kind.HEADING)
        yield from (Line(text, kind) for text, kind in zip(texts, kinds, strict=True))


def _observer_row(frame: Frame, host: str, observer: ObserverStatus) -> Sequence[str]:
    if observer.name == "writer":
        latency: Sequence[str] = (_UNKNOWN, _UNKNOWN, _UNKNOWN)
        last = (_number(observer.seq), _UNKNOWN, _ago(observer.age_ns))
        return observer.name, host, _UNKNOWN, _rate(frame.writes), *latency, _error(observer), *([_UNKNOWN] * 2), *last
    # An old minute says nothing of now.
    minute = Distribution() if observer.stale or observer.minute is None else observer.minute
    counts = observer.counts
    return (
        observer.name,
        host,
        _printable(observer.follows or _UNKNOWN),
        "stale" if observer.stale else _rate(frame.events.get((host, observer.name))),
        *(_milliseconds(found) for found in (minute.p50_ns, minute.p99_ns, minute.max_ns)),
        _error(observer),
        _number(counts.missed if counts else None),
        _number(counts.superseded if counts else None),
        *_last_answer(frame.handshakes.get((host, observer.name)), frame.taken_ns),
    )


def _last_answer(handshake: Handshake | None, taken_ns: int) -> tuple[str, str, str]:
    if handshake is None:
        return _UNKNOWN, _UNKNOWN, _UNKNOWN
    return _number(handshake.seq), _milliseconds(handshake.t2_ns - handshake.t1_ns), _ago(taken_ns - handshake.t3_ns)


def _error(observer: ObserverStatus) -> str:
    return _milliseconds(observer.error_ns)


def _ago(age_ns: int | None) -> str:
    # Clocks differ: what seems to come from the future was just now.
    return _UNKNOWN if age_ns is None else age_text(max(age_ns, 0))


def _number(number: int | None) -> str:
    return _UNKNOWN if number is None else str(number)


def _rate(rate: float | None) -> str:
    if rate is None:
        return _UNKNOWN
    return f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"  # noqa: PLR2004 - three digits


def _bytes(count: float | None) -> str:
    """Three digits and a unit, of powers of 1000: what a network's rate is counted in."""
    if count is None:
        return _UNKNOWN
    unit = 0
    while count >= 999.5 and unit < len(_BYTE_UNITS) - 1:  # noqa: PLR2004 - it would be shown as 1000
        count /= 1000
        unit += 1
    digits = 0 if unit == 0 or count >= 99.95 else 1  # noqa: PLR2004 - three digits
    return f"{count:.{digits}f} {_BYTE_UNITS[unit]}"


def _milliseconds(duration_ns: int | None) -> str:
    if duration_ns is None:
        return _UNKNOWN
    duration_ms = duration_ns / NS_PER_MILLISECOND
    return f"{duration_ms:.2f}" if abs(duration_ms) < 100 else f"{duration_ms:.0f}"  # noqa: PLR2004 - three digits


def _time_of_day(unix_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(unix_ns // NS_PER_SECOND))


def _printable(text: str) -> str:
    """A name of a node is whatever a report says, and a terminal obeys what is not printable."""
    return "".join(character if character.isprintable() else "?" for character in text)
