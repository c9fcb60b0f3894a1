"""What stands out in the results, by name: what slowed something, what was refused, what is not as it should be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from keydb_report.bench import LISTENERS, knee, limited_by_generator, marks
from keydb_report.cited import NotMeasuredError, Sentence, ratio, say
from keydb_report.figure import beyond_spread
from keydb_report.inputs import KINDS, Document, Inputs

# A listener that takes less than this share of what the other one takes is called slow.
_SLOW = 0.5
_ONE_RUN = dt.timedelta(days=1)


def notable(inputs: Inputs) -> list[Sentence]:
    """In the order in which one would look for causes: hosts, network, clocks and proof, listeners, the rest."""
    return [
        *_not_of_one_run(inputs),
        *_hosts(inputs.get("hosts")),
        *_problems(inputs.get("network"), "network"),
        *_problems(inputs.get("verify"), "verify"),
        *[say("benchmark: {mark}", mark=mark) for mark in marks(inputs.get("bench"))],
        *_slow_listeners(inputs.get("bench")),
        *_not_measured(inputs.get("bench")),
        *_problems(inputs.get("faults"), "faults"),
        *_problems(inputs.get("capture"), "capture"),
        *_capture(inputs.get("capture")),
    ]


def _not_of_one_run(inputs: Inputs) -> Iterator[Sentence]:
    """Results of several inventories are about several clusters, and those of several days may be."""
    bench, faults = inputs.get("bench"), inputs.get("faults")
    if bench and faults and bench.find("inventory") != faults.find("inventory"):
        yield say("the benchmark and the faults are of different inventories")
    times = sorted((time, name) for name in KINDS if (time := inputs.time(name)))
    if times and times[-1][0] - times[0][0] > _ONE_RUN:
        yield say(f"the results are of different days: those of {times[0][1]} are older than those of {times[-1][1]}")


def _hosts(hosts: Document | None) -> Iterator[Sentence]:
    for path, host in hosts.elements("hosts") if hosts else ():
        if not isinstance(host.get("name"), str):
            continue
        for at, finding in hosts.elements(*path, "findings") if hosts else ():
            if isinstance(finding.get("what"), str) and finding["what"] and hosts:
                name, what = hosts.word(*path, "name"), hosts.word(*at, "what")
                yield say("host {name}: {what}", name=name, what=what)


def _problems(document: Document | None, about: str) -> Iterator[Sentence]:
    for problem in document.words("problems") if document else ():
        yield say(f"{about}: {{problem}}", problem=problem)


def _slow_listeners(bench: Document | None) -> Iterator[Sentence]:
    """Of a listener whose knee what offered the events has set, nothing is known."""
    # The benchmark has a mark of its own for one that is much slower.
    if bench is None or any(each.get("condition") == "listener" for _, each in bench.elements("conditions", "marks")):
        return
    for name, other in (("sync", "async"), ("async", "sync")):
        try:
            its, others = knee(bench, name), knee(bench, other)
            is_slow = beyond_spread(its, others) < 0 and its.value < others.value * _SLOW
        except NotMeasuredError:
            continue
        if is_slow and not limited_by_generator(bench, name):
            yield say(
                "listeners: the {name} listener is slow: in time up to {its} events/s, {ratio} times what the {other} "
                "one takes",
                name=LISTENERS[name],
                its=its.median,
                ratio=ratio(its.median, others.median),
                other=LISTENERS[other],
            )


def _not_measured(bench: Document | None) -> Iterator[Sentence]:
    for path, each in bench.elements("not_measured") if bench else ():
        if bench and each.get("what") and each.get("why"):
            what, why = bench.word(*path, "what"), bench.word(*path, "why")
            yield say("benchmark: {what} was not measured: {why}", what=what, why=why)


def _capture(capture: Document | None) -> Iterator[Sentence]:
    if capture is None:
        return
    if capture.find("verdict") == "does not hold":
        yield say("capture: what was promised of the traffic {verdict}", verdict=capture.word("verdict"))
    plaintext = capture.find("plaintext")
    if isinstance(plaintext, list) and plaintext:
        yield say("capture: plaintext was seen {count} times", count=capture.count("plaintext"))
