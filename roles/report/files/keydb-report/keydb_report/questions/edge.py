"""Whether a Pi 4B is enough, where the edge is, and what TLS and authentication cost.

It is enough where every host of the benchmark is one, none of them a container, and the better listener is in time
at the rate that was asked for (report_enough) in every round. On other hardware the edge and the cost are told as they
were found there.
"""

from __future__ import annotations

from typing import Any

from keydb_report.answer import Answer, Clause, answered
from keydb_report.bench import CONDITIONS, LISTENERS, Row, conditions_text, knee, limited_by_generator, marks, rows
from keydb_report.cited import Cited, NotMeasuredError, change, say
from keydb_report.figure import Figure, beyond_spread
from keydb_report.inputs import Document, Inputs

CLAIM = "A Pi 4B is enough; where is the edge, and what do TLS and authentication cost?"
_BOARD = "Raspberry Pi 4 Model B"


def answer(inputs: Inputs, enough: Cited) -> Answer:
    """From the benchmark."""
    checks = [
        lambda: _edge(inputs.document("bench"), enough),
        lambda: _board(inputs.document("bench")),
        lambda: _cost(inputs.document("bench"), "tls", "TLS"),
        lambda: _cost(inputs.document("bench"), "authentication", "authentication"),
    ]
    return answered(4, CLAIM, checks, marks(inputs.get("bench")))


def _edge(bench: Document, enough: Cited) -> Clause:
    name, edge = _best(bench)
    enough_is = "enough for" if edge.span[0] >= float(enough.value) else "not enough for"
    said = say(
        "the edge here was {least}{edge} events/s, of the {name} listener, {enough_is} the {enough} events/s that were "
        "asked for",
        least="at least " if limited_by_generator(bench, name) else "",
        edge=edge.median,
        name=LISTENERS[name],
        enough_is=enough_is,
        enough=enough,
    )
    return Clause(said, None if _others(bench) else edge.span[0] >= float(enough.value), edge.median)


def _best(bench: Document) -> tuple[str, Figure]:
    """The better listener and its knee. Raises NotMeasuredError where neither has one."""
    found: dict[str, Figure] = {}
    why: NotMeasuredError | None = None
    for name in LISTENERS:
        try:
            found[name] = knee(bench, name)
        except NotMeasuredError as error:
            why = error
    if not found and why:
        raise why
    return max(found.items(), key=lambda item: item[1].value)


def _others(bench: Document) -> list[str]:
    """Hosts that are no Pi 4B."""
    return [
        name
        for _, name, host in bench.members("hosts")
        if _BOARD not in str(host.get("board", "")) or host.get("in_container")
    ]


def _board(bench: Document) -> Clause:
    others = _others(bench)
    if not bench.members("hosts"):
        raise NotMeasuredError("no host is named")
    if others:
        host = bench.find("hosts", others[0])
        raise NotMeasuredError(
            "not on a Pi 4B: {host} is {container}{board}",
            host=bench.name("hosts", others[0]),
            container="a container on " if host.get("in_container") else "",
            board=bench.word("hosts", others[0], "board")
            if host.get("board") not in (None, "", "unknown")
            else "unknown hardware",
        )
    return Clause(say("every host was a Pi 4B"), holds=True)


def _cost(bench: Document, condition: str, name: str) -> Clause:
    with_it, without = _pair(bench, condition, name)
    dear, cheap = (bench.figure(*row.path, "rate") for row in (with_it, without))
    changed = change(dear.median, cheap.median)
    order = "which is within the spread" if beyond_spread(dear, cheap) == 0 else "which is beyond the spread"
    said = say(
        "{name} changed the throughput by {changed} %, from {cheap}/s to {dear}/s, {order} ({conditions})",
        name=name,
        changed=changed,
        cheap=cheap.median,
        dear=dear.median,
        order=order,
        conditions=conditions_text(bench, with_it),
    )
    return Clause(said, holds=True, figure=changed)


def _pair(bench: Document, condition: str, name: str) -> tuple[Row, Row]:
    """Two rows of KeyDB that differ in this alone."""
    conditions = tuple(each for each in (*CONDITIONS, "threads") if each != condition)
    without: dict[tuple[Any, ...], Row] = {
        row.key(conditions): row for row in rows(bench, "throughput", engine="keydb", **{condition: False})
    }
    for row in rows(bench, "throughput", engine="keydb", **{condition: True}):
        if row.key(conditions) in without:
            return row, without[row.key(conditions)]
    raise NotMeasuredError(f"KeyDB was not measured with and without {name} at equal conditions")
