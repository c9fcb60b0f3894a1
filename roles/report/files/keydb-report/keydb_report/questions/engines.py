"""Whether KeyDB's threads give more throughput and lower latency than single-threaded Redis on the same hosts.

Throughput: at every condition at which both were measured, with as many of KeyDB's threads as were tried there, it is
above in some and below in none. Latency: so is the 99th percentile from write to event, the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence

from keydb_report.answer import Answer, Clause, answered
from keydb_report.bench import CONDITIONS, Row, conditions_text, marks, rows, why_not
from keydb_report.cited import Cited, NotMeasuredError, ratio, say
from keydb_report.figure import Figure, beyond_spread
from keydb_report.inputs import Document, Inputs

CLAIM = "KeyDB's threads give more throughput and lower latency than single-threaded Redis on the same hosts."
_OURS, _THEIRS = "keydb", "redis"
_TAIL = ("scheduling", "offered")


def answer(inputs: Inputs, _: Cited) -> Answer:
    """From the benchmark of the engines."""
    checks = [lambda: _throughput(inputs.document("bench")), lambda: _tail(inputs.document("bench"))]
    return answered(2, CLAIM, checks, marks(inputs.get("bench")))


def _throughput(bench: Document) -> Clause:
    pairs = _pairs(bench, "throughput", CONDITIONS)
    orders = [
        beyond_spread(bench.figure(*ours.path, "rate"), bench.figure(*theirs.path, "rate")) for ours, theirs in pairs
    ]
    ours, theirs = _headline(pairs)
    mine, other = (bench.figure(*row.path, "rate").median for row in (ours, theirs))
    said = say(
        "KeyDB with {threads} threads did {ratio} times the operations of Redis, {mine}/s against {other}/s "
        "({conditions}), and beyond the spread it was {orders}",
        threads=bench.number(*ours.path, "threads"),
        ratio=ratio(mine, other),
        mine=mine,
        other=other,
        conditions=conditions_text(bench, ours),
        orders=_told(orders, ("faster", "slower")),
    )
    return Clause(said, _wins(orders), ratio(mine, other))


def _tail(bench: Document) -> Clause:
    pairs = _pairs(bench, "tail", _TAIL)
    figures: list[tuple[Figure, Figure]] = [
        (bench.figure(*ours.path, "p99"), bench.figure(*theirs.path, "p99")) for ours, theirs in pairs
    ]
    orders = [-beyond_spread(*both) for both in figures]
    ours, theirs = figures[0]
    said = say(
        "its p99 from write to event was {ours} ms against {theirs} ms at {offered} writes/s, and beyond the spread "
        "{orders}",
        ours=ours.median,
        theirs=theirs.median,
        offered=bench.number(*pairs[0][0].path, "offered"),
        orders=_told(orders, ("lower", "higher")),
    )
    return Clause(said, _wins(orders), ours.median)


def _pairs(bench: Document, part: str, conditions: tuple[str, ...]) -> list[tuple[Row, Row]]:
    """Ours with the most threads beside theirs with one, for all conditions that both have."""
    ours: dict[tuple[object, ...], Row] = {}
    for row in rows(bench, part, engine=_OURS):
        key = row.key(conditions)
        if key not in ours or row.about.get("threads", 0) > ours[key].about.get("threads", 0):
            ours[key] = row
    theirs = {row.key(conditions): row for row in rows(bench, part, engine=_THEIRS, threads=1)}
    if not ours or not theirs:
        raise why_not(bench, _THEIRS if ours else _OURS)
    if all(row.about.get("threads") == 1 for row in ours.values()):
        raise NotMeasuredError(f"KeyDB was measured with a single thread in {part}")
    pairs = [(row, theirs[key]) for key, row in ours.items() if key in theirs and row.about.get("threads") != 1]
    if not pairs:
        raise NotMeasuredError(f"KeyDB and Redis have no equal conditions in {part}")
    return pairs


def _headline(pairs: Sequence[tuple[Row, Row]]) -> tuple[Row, Row]:
    """What most clients do: one small SET at a time over many connections."""

    def distance(pair: tuple[Row, Row]) -> tuple[float, bool, float, float]:
        about = pair[0].about
        return (
            about.get("pipeline", 0),
            about.get("operation") != "set",
            about.get("size", 0),
            -about.get("connections", 0),
        )

    return min(pairs, key=distance)


def _told(orders: Sequence[int], words: tuple[str, str]) -> str:
    """In how many of the conditions; in words, for a count of comparisons is nothing that a result has."""
    found = [text for order, text in ((1, words[0]), (-1, words[1]), (0, "no different")) if order in orders]
    if len(found) == 1:
        return f"{found[0]} {'anywhere' if orders[0] == 0 else 'everywhere'}"
    return f"{', '.join(found[:-1])} in some conditions and {found[-1]} in others"


def _wins(orders: Sequence[int]) -> bool:
    return 1 in orders and -1 not in orders
