"""Whether the asynchronous listener scales further than the synchronous one.

It does where its knee, the highest rate at which it was in time, is above the other's in every round. A knee that what
offered the events has set is a lower bound, and decides only in the direction in which that is enough.
"""

from __future__ import annotations

from keydb_report.answer import Answer, Clause, answered
from keydb_report.bench import knee, limited_by_generator, marks
from keydb_report.cited import Cited, say
from keydb_report.figure import beyond_spread
from keydb_report.inputs import Document, Inputs

CLAIM = "The asynchronous listener scales further than the synchronous one."
_VERDICTS = {1: "above", 0: "within the spread of", -1: "below"}


def answer(inputs: Inputs, _: Cited) -> Answer:
    """From the benchmark's knees."""
    return answered(3, CLAIM, [lambda: _knees(inputs.document("bench"))], marks(inputs.get("bench")))


def _knees(bench: Document) -> Clause:
    asynchronous, synchronous = knee(bench, "async"), knee(bench, "sync")
    order = beyond_spread(asynchronous, synchronous)
    bounded = {each: limited_by_generator(bench, each) for each in ("async", "sync")}
    said = say(
        "the asynchronous listener was in time up to {least}{asynchronous} events/s, {order} the synchronous one's "
        "{other_least}{synchronous}",
        least="at least " if bounded["async"] else "",
        asynchronous=asynchronous.median,
        order=_VERDICTS[order],
        other_least="at least " if bounded["sync"] else "",
        synchronous=synchronous.median,
    )
    return Clause(said, _decided(order, **bounded), asynchronous.median)


def _decided(order: int, **bounded: bool) -> bool | None:
    """None where the load gave out before a listener whose real knee could turn the verdict."""
    if bounded["sync"] and (order > 0 or bounded["async"]):
        return None
    if bounded["async"] and order <= 0:
        return None
    return order > 0
