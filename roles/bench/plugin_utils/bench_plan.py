"""What a run measures, in which order, and about how long that takes. All of it follows from the role's variables.

Ways to run an engine are not all multiplied with each other, which would take a day: each axis is varied for itself
around the first value of every other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OTHER, FIFO = "other", "fifo"
PARTS = ("throughput", "tail", "listeners", "scale")

# Seconds, roughly: what starting and stopping takes, on hosts that are not slow.
_SERVER_S, _LISTENERS_S, _TOOL_S, _ORDER_S = 2.5, 3.0, 1.0, 0.7
# A search's windows in its first round, and in each later one.
_FIRST_WINDOWS, _LATER_WINDOWS = 9, 4


@dataclass(frozen=True)
class Variant:
    """One way to run an engine: ``scheduling`` is other or fifo."""

    engine: str
    tls: bool
    authentication: bool
    persistence: bool
    threads: int
    scheduling: str = OTHER

    def as_order(self) -> dict[str, Any]:
        """For a host."""
        return dict(vars(self))

    def __str__(self) -> str:
        words = [self.engine, f"{self.threads} thread{'s' if self.threads > 1 else ''}"]
        words += [name for name in ("tls", "authentication", "persistence") if not getattr(self, name)]
        named = {"tls": "no TLS", "authentication": "no authentication", "persistence": "no persistence"}
        return ", ".join([named.get(word, word) for word in words] + (["real-time"] if self.scheduling == FIFO else []))


@dataclass(frozen=True)
class Work:
    """One use of an engine's own tool. ``size`` in bytes."""

    operation: str
    size: int
    pipeline: int
    connections: int

    def as_order(self, tool_threads: int) -> dict[str, Any]:
        """For a host."""
        return {**vars(self), "tool_threads": tool_threads}


@dataclass(frozen=True)
class Visit:
    """A server that is started once, and what is measured at it. ``has_tail``: the time from write to event, too."""

    variant: Variant
    works: tuple[Work, ...]
    has_tail: bool


@dataclass(frozen=True)
class Settings:
    """A run, as the variables have it. Durations in s, rates in writes/s, sizes in bytes.

    ``seed`` decides who begins. ``cluster_engine`` is the one that is searched for its knee and scaled; ``varied``
    are those whose axes are varied.
    """

    engines: Sequence[str]
    cluster_engine: str
    varied: Sequence[str]
    server: str
    client: str
    parts: Sequence[str] = PARTS
    rounds: int = 3
    seconds: float = 1.0
    warmup_s: float = 1.0
    operations: Sequence[str] = ("set", "get")
    sizes: Sequence[int] = (64,)
    pipelines: Sequence[int] = (1,)
    connections: Sequence[int] = (50,)
    tls: Sequence[bool] = (True,)
    authentication: Sequence[bool] = (True,)
    persistence: Sequence[bool] = (True,)
    threads: Sequence[int] = (1,)
    tool_threads: int = 1
    tail_rate: int = 200
    tail_seconds: float = 4.0
    knee_start: int = 8000
    knee_seconds: float = 2.0
    knee_precision: float = 1.3
    knee_keys: int = 100
    nodes: Sequence[int] = ()
    scale_seconds: float = 2.0
    # So many that waiting for all nodes costs each write little, and few enough for any buffer.
    scale_batch: int = 500
    minutes: float = 60.0
    maxmemory_mb: int = 64
    seed: int = 1
    conditions: str = "mark"
    most_load: float = 0.3
    least_mbits: int = 900

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """From the role's variables. Raises KeyError and TypeError."""
        return cls(**given)

    def base(self, engine: str) -> Variant:
        """What all others differ from in one thing."""
        return Variant(engine, self.tls[0], self.authentication[0], self.persistence[0], self.threads[0])


def works(settings: Settings, *, is_base: bool) -> tuple[Work, ...]:
    """The uses of the tool at a server; at one that differs from the base only the first of each axis."""
    size, pipeline, connections = settings.sizes[0], settings.pipelines[0], settings.connections[0]
    shapes = [(size, pipeline, connections)]
    if is_base:
        shapes += [(other, pipeline, connections) for other in settings.sizes[1:]]
        shapes += [(size, other, connections) for other in settings.pipelines[1:]]
        shapes += [(size, pipeline, other) for other in settings.connections[1:]]
    return tuple(Work(operation, *shape) for shape in shapes for operation in settings.operations)


def visits(settings: Settings, fifo: Sequence[str] = ()) -> list[Visit]:
    """One round's. ``fifo`` are the engines that real-time scheduling is possible for."""
    has_works, has_tail = "throughput" in settings.parts, "tail" in settings.parts
    if not has_works and not has_tail:
        return []
    full, short = (works(settings, is_base=is_base) if has_works else () for is_base in (True, False))
    found = []
    for engine in settings.engines:
        found.append(Visit(settings.base(engine), full, has_tail))
        if engine in fifo:
            found.append(Visit(_with(settings.base(engine), scheduling=FIFO), short, has_tail))
        for variant in _varied(settings, engine) if engine in settings.varied else ():
            # How many threads there are decides on the tail, and the others do not.
            tails = has_tail and variant.threads != settings.threads[0]
            if short or tails:
                found.append(Visit(variant, short, tails))
    return found


def rotated(found: Sequence[Visit], number: int, seed: int) -> list[Visit]:
    """In each round another one begins, so that none is always measured on a host that is still cool."""
    first = (number * (len(found) // 2 + 1) + seed) % len(found) if found else 0
    return [*found[first:], *found[:first]]


def points(settings: Settings, takes_writes_everywhere: bool) -> list[tuple[int, str]]:
    """How many nodes, and whether one or all of them are written to."""
    if "scale" not in settings.parts:
        return []
    each = [("one",), ("one", "all")][takes_writes_everywhere]
    return [(nodes, writers) for nodes in sorted(settings.nodes) for writers in (each if nodes > 1 else each[:1])]


def estimated_s(settings: Settings, takes_writes_everywhere: bool, fifo: Sequence[str] = ()) -> float:
    """About how long the measuring takes, without what is installed and removed."""
    total = sum(_visit_s(settings, visit) for visit in visits(settings, fifo)) * settings.rounds
    if "listeners" in settings.parts:
        windows = _FIRST_WINDOWS + _LATER_WINDOWS * (settings.rounds - 1) + 2
        window_s = settings.warmup_s + settings.knee_seconds + _LISTENERS_S + _ORDER_S
        total += windows * window_s + settings.rounds * _SERVER_S
    each_s = 2 * (settings.warmup_s + settings.scale_seconds) + 6 * _ORDER_S
    found = points(settings, takes_writes_everywhere)
    return total + settings.rounds * (len(found) * each_s + len({nodes for nodes, _ in found}) * (_SERVER_S + 2))


def described(settings: Settings, takes_writes_everywhere: bool) -> str:
    """The plan, for people."""
    lines = [f"{settings.rounds} rounds, in each of them:"]
    for visit in visits(settings):
        what = [f"{work.operation} {work.size} B x{work.pipeline} c{work.connections}" for work in visit.works]
        tail = [f"time to the event at {settings.tail_rate}/s"] if visit.has_tail else []
        lines.append(f"  {visit.variant}: {', '.join(what + tail)}")
    if "listeners" in settings.parts:
        start = f"from {settings.knee_start:,}/s on"
        lines.append(f"  {settings.cluster_engine}: the load under which each listener falls behind, {start}")
    for nodes, writers in points(settings, takes_writes_everywhere):
        lines.append(f"  {settings.cluster_engine}: {nodes} node{'s' * (nodes > 1)}, written to {writers}")
    minutes = estimated_s(settings, takes_writes_everywhere) / 60
    lines.append(f"Server on {settings.server}, clients on {settings.client}.")
    lines.append(f"About {minutes:.0f} minutes, with what is installed and removed some two more.")
    return "\n".join(lines)


def _varied(settings: Settings, engine: str) -> Iterator[Variant]:
    base = settings.base(engine)
    for name in ("tls", "authentication", "persistence", "threads"):
        for value in getattr(settings, name)[1:]:
            yield _with(base, **{name: value})


def _with(base: Variant, **changes: Any) -> Variant:
    return Variant(**{**vars(base), **changes})


def _visit_s(settings: Settings, visit: Visit) -> float:
    works_s = sum(settings.seconds * 1.3 + _TOOL_S for _ in visit.works) + _LISTENERS_S * bool(visit.works)
    tail_s = (settings.warmup_s + settings.tail_seconds + _LISTENERS_S) * visit.has_tail
    return _SERVER_S + 4 * _ORDER_S + works_s + tail_s
