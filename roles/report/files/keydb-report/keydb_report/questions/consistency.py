"""Whether writes on all nodes at the same time leave all nodes with the same, and with what was written.

It does where no key differs between nodes after a run with faults, no counter is wrong, nothing is there that nobody
wrote, and no delete came back that was acknowledged as durable. A later comparison of all keys may speak against it.
"""

from __future__ import annotations

from keydb_report.answer import Answer, Check, Clause, answered
from keydb_report.cited import Cited, NotMeasuredError, say
from keydb_report.inputs import Document, Inputs

CLAIM = "Multi-master replication takes concurrent writes on all nodes without inconsistency."
# Others have one node that takes writes.
_MULTI_MASTER = "keydb"


def answer(inputs: Inputs, _: Cited) -> Answer:
    """From the faults' verdict, and from what verify.yml compared."""
    checks: list[Check] = [
        lambda: _differing(multi_master(inputs)),
        lambda: _wrong(multi_master(inputs)),
    ]
    verify = inputs.get("verify")
    if verify and verify.find("audit"):
        checks.append(lambda: _audit(verify))
    return answered(1, CLAIM, checks)


def multi_master(inputs: Inputs) -> Document:
    """The faults' verdict on an engine whose nodes all take writes. Raises NotMeasuredError."""
    faults = inputs.document("faults")
    if faults.find("engine") != _MULTI_MASTER:
        raise NotMeasuredError(
            "the faults were those of {engine}, of which one node takes writes", engine=faults.word("engine")
        )
    return faults


def _differing(faults: Document) -> Clause:
    acknowledged = faults.number("operations", "acknowledged", unit="writes")
    if not acknowledged.value:
        raise NotMeasuredError("no write was acknowledged while there were faults")
    keys = faults.number("differing_keys", unit="keys")
    said = say(
        "after {acknowledged} acknowledged writes on all nodes and {faults} faults, {keys} keys differed between nodes",
        acknowledged=acknowledged,
        faults=faults.total("faults"),
        keys=keys,
    )
    return Clause(said, keys.value == 0, keys)


def _wrong(faults: Document) -> Clause:
    counters = faults.number("counters_wrong", unit="counters")
    strange = faults.number("never_written", unit="values")
    back = faults.number("durable_resurrected", unit="deletes")
    said = say(
        "{counters} counters were wrong, {strange} values were there that nobody wrote, and {back} durable deletes "
        "came back",
        counters=counters,
        strange=strange,
        back=back,
    )
    wrong = [each for each in (counters, strange, back) if each.value]
    return Clause(said, not wrong, wrong[0] if wrong else counters)


def _audit(verify: Document) -> Clause:
    differing = verify.number("audit", "differing", unit="keys")
    said = say(
        "of {examined} keys that were compared at another time {differing} differed",
        examined=verify.number("audit", "examined"),
        differing=differing,
    )
    return Clause(said, differing.value == 0, differing)
