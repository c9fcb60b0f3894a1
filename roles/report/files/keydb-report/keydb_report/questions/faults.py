"""Whether nodes may fail and come back, and nothing that was acknowledged is lost.

Taken by its word: a plain write is acknowledged, too, by the one node that may fail in the next moment. It holds where
neither a durable nor a plain write was lost, no server went down that nobody had touched, and all came back in time.
"""

from __future__ import annotations

from dataclasses import replace

from keydb_report.answer import Answer, Clause, answered
from keydb_report.cited import Cited, NotMeasuredError, say
from keydb_report.inputs import Document, Inputs

CLAIM = "Nodes may fail or be cut off and come back, and nothing that was acknowledged is lost."
# How the faults' verdict says that something did not come back.
NEVER_BACK = ("did not all come up again", "read nothing more after")
_EVENTS_AGAIN_S = 3.0


def answer(inputs: Inputs, _: Cited) -> Answer:
    """From the faults' verdict."""
    checks = [
        lambda: _durable(_run(inputs)),
        lambda: _plain(_run(inputs)),
        lambda: _bystanders(_run(inputs)),
        lambda: _recovery(_run(inputs)),
    ]
    return answered(5, CLAIM, checks)


def _run(inputs: Inputs) -> Document:
    faults = inputs.document("faults")
    if not faults.total("faults").value:
        raise NotMeasuredError("no fault happened")
    return faults


def _durable(faults: Document) -> Clause:
    lost = faults.number("durable_lost", unit="writes")
    said = say(
        "{faults} faults under {acknowledged} acknowledged writes lost {lost} writes that were acknowledged as durable",
        faults=faults.total("faults"),
        acknowledged=faults.number("operations", "acknowledged"),
        lost=lost,
    )
    return Clause(said, lost.value == 0, lost)


def _plain(faults: Document) -> Clause:
    lost = faults.number("plain_lost", unit="writes")
    return Clause(say("they lost {lost} of the plain ones", lost=lost), lost.value == 0, lost)


def _bystanders(faults: Document) -> Clause:
    crashes = faults.number("bystander_crashes", unit="servers")
    return Clause(say("{crashes} servers went down by themselves", crashes=crashes), crashes.value == 0, crashes)


def _recovery(faults: Document) -> Clause:
    never = [each for each in faults.words("problems") if any(words in each.text for words in NEVER_BACK)]
    if never:
        return Clause(say("{problem}", problem=_without_stop(never[0])), holds=False)
    links = faults.number("links_up_s", "median", unit="s")
    again = faults.number("events_again_s", "median", unit="s")
    said = say(
        "all links were up {links} s after a fault (median), and events arrived {again} s later",
        links=links,
        again=again,
    )
    return Clause(said, float(again.value) <= _EVENTS_AGAIN_S, again)


def _without_stop(problem: Cited) -> Cited:
    return replace(problem, value=problem.text.rstrip("."))
