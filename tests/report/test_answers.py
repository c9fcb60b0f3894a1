"""What each question's verdict follows from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keydb_report.answer import DOES_NOT_HOLD, HOLDS, NOT_MEASURED, Answer
from keydb_report.cited import Cited
from keydb_report.inputs import Inputs
from keydb_report.questions import answers
from keydb_report.questions.faults import NEVER_BACK
from report_results import (
    ENOUGH,
    bench,
    everything,
    faults,
    figure,
    lay_down,
    listener,
    tail,
    throughput,
    verify,
)

PI = {"board": "Raspberry Pi 4 Model B Rev 1.4", "in_container": False}


def answer(directory: Path, number: int, **changes: Any) -> Answer:
    inputs = Inputs(lay_down(directory, everything(**changes)))
    return answers(inputs, Cited(ENOUGH, ("results/report/answers.json#/settings/enough",), "events/s"))[number - 1]


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, HOLDS, "0 keys differed"),
        ({"faults": faults(differing_keys=2)}, DOES_NOT_HOLD, "2 keys differed"),
        ({"faults": faults(counters_wrong=1)}, DOES_NOT_HOLD, "1 counters were wrong"),
        ({"faults": faults(durable_resurrected=4)}, DOES_NOT_HOLD, "4 durable deletes came back"),
        ({"faults": faults(never_written=1)}, DOES_NOT_HOLD, "1 values were there that nobody wrote"),
        # What plain deletes and writes may lose is no difference between nodes.
        ({"faults": faults(resurrected=3, plain_lost=9)}, HOLDS, "0 keys differed"),
        ({"verify": verify(audit={"examined": 512, "differing": 1})}, DOES_NOT_HOLD, "1 differed"),
        ({"verify": verify(audit=None)}, HOLDS, "0 keys differed"),
        ({"verify": None}, HOLDS, "0 keys differed"),
        ({"faults": faults(differing_keys=None)}, NOT_MEASURED, "faults/latest.json#/differing_keys has no number"),
        ({"faults": faults(differing_keys=None, counters_wrong=1)}, DOES_NOT_HOLD, "1 counters were wrong"),
        ({"faults": faults(engine="valkey")}, NOT_MEASURED, "of valkey, of which one node takes writes"),
        ({"faults": faults(operations={"acknowledged": 0})}, NOT_MEASURED, "no write was acknowledged"),
        ({"faults": None}, NOT_MEASURED, "there is no results/faults/latest.json, which playbooks/faults.yml makes"),
    ],
)
def test_consistency(tmp_path: Path, changes: dict[str, Any], verdict: str, said: str) -> None:
    found = answer(tmp_path, 1, **changes)
    assert (found.verdict, said in found.sentence.text) == (verdict, True), found.sentence.text


@pytest.mark.parametrize(
    ("throughputs", "tails", "verdict", "said"),
    [
        (
            [throughput(rate=70_000.0), throughput("redis", 60_000.0)],
            [tail(p99=0.5), tail("redis", 0.9)],
            HOLDS,
            "1.17",
        ),
        ([throughput(), throughput("redis", 60_000.0)], [tail(p99=0.5), tail("redis", 0.9)], DOES_NOT_HOLD, "0.333"),
        (
            [throughput(rate=70_000.0), throughput("redis", 60_000.0)],
            [tail(), tail("redis", 0.9)],
            DOES_NOT_HOLD,
            "higher",
        ),
        # Within the spread there is no more.
        (
            [throughput(rate=60_500.0), throughput("redis", 60_000.0)],
            [tail(p99=0.5), tail("redis")],
            DOES_NOT_HOLD,
            "no different anywhere",
        ),
        # More in one condition and less in another is not more.
        (
            [
                throughput(rate=7e4),
                throughput("redis", 6e4),
                throughput(pipeline=16),
                throughput("redis", 9e4, pipeline=16),
            ],
            [tail(p99=0.5), tail("redis", 0.9)],
            DOES_NOT_HOLD,
            "faster in some conditions and slower in others",
        ),
        ([throughput(rate=70_000.0), throughput("redis", 60_000.0)], None, NOT_MEASURED, "has no tail"),
        ([throughput(), throughput("redis", 60_000.0)], None, DOES_NOT_HOLD, "slower everywhere"),
        ([throughput()], [tail()], NOT_MEASURED, "redis: no package"),
        ([throughput(), throughput("redis", tls=False)], None, NOT_MEASURED, "no equal conditions"),
        ([throughput(threads=1), throughput("redis")], None, NOT_MEASURED, "with a single thread"),
        # Redis with threads of its own is not what the claim is about.
        ([throughput(), throughput("redis", threads=2)], None, NOT_MEASURED, "redis: no package"),
        # A single round has no spread.
        ([throughput() | {"rate": figure(9e4)}, throughput("redis", 6e4)], None, NOT_MEASURED, "no spread to judge by"),
        ([throughput() | {"rate": None}, throughput("redis", 6e4)], None, NOT_MEASURED, "has no keydb"),
    ],
)
def test_engines(tmp_path: Path, throughputs: Any, tails: Any, verdict: str, said: str) -> None:
    why = [{"what": "redis", "why": "no package"}]
    found = answer(tmp_path, 2, bench=bench(throughput=throughputs, tail=tails, not_measured=why))
    assert (found.verdict, said in found.sentence.text) == (verdict, True), found.sentence.text


@pytest.mark.parametrize(
    ("sync", "asynchronous", "verdict"),
    [
        (listener(7000.0), listener(9000.0), HOLDS),
        (listener(9000.0), listener(7000.0), DOES_NOT_HOLD),
        (listener(9000.0), listener(9100.0), DOES_NOT_HOLD),
        # What the generator could not offer decides in one direction only.
        (listener(7000.0), listener(9000.0, "generator"), HOLDS),
        (listener(9000.0, "generator"), listener(7000.0), DOES_NOT_HOLD),
        (listener(7000.0, "generator"), listener(9000.0), NOT_MEASURED),
        (listener(9000.0), listener(7000.0, "generator"), NOT_MEASURED),
        (listener(9000.0, "generator"), listener(9000.0, "generator"), NOT_MEASURED),
        (listener(7000.0), None, NOT_MEASURED),
        (listener(7000.0) | {"knee": None}, listener(9000.0), NOT_MEASURED),
    ],
)
def test_listeners(tmp_path: Path, sync: Any, asynchronous: Any, verdict: str) -> None:
    pair = {name: each for name, each in (("sync", sync), ("async", asynchronous)) if each}
    assert answer(tmp_path, 3, bench=bench(listeners=pair)).verdict == verdict


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, NOT_MEASURED, "not on a Pi 4B: node1 is a container on QEMU"),
        ({"hosts": {"pi1": PI}}, HOLDS, "every host was a Pi 4B"),
        ({"hosts": {"pi1": PI, "pc1": {"board": "Dell", "in_container": False}}}, NOT_MEASURED, "pc1 is Dell"),
        ({"hosts": {"n1": {"board": "unknown", "in_container": False}}}, NOT_MEASURED, "n1 is unknown hardware"),
        ({"hosts": {"pi1": PI | {"in_container": True}}}, NOT_MEASURED, "pi1 is a container on Raspberry Pi 4"),
        (
            {"hosts": {"pi1": PI}, "listeners": {"sync": listener(99.0), "async": listener(900.0)}},
            DOES_NOT_HOLD,
            "not enough",
        ),
        ({"hosts": {"pi1": PI}, "throughput": [throughput()]}, NOT_MEASURED, "with and without TLS"),
        ({"hosts": {"pi1": PI}, "listeners": None}, NOT_MEASURED, "has no listeners"),
        ({"hosts": {}}, NOT_MEASURED, "no host is named"),
        ({}, NOT_MEASURED, "TLS changed the throughput by -23.1 %, from 26,000/s to 20,000/s"),
    ],
)
def test_edge(tmp_path: Path, changes: dict[str, Any], verdict: str, said: str) -> None:
    found = answer(tmp_path, 4, bench=bench(**changes))
    assert (found.verdict, said in found.sentence.text) == (verdict, True), found.sentence.text


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, HOLDS, "lost 0 writes that were acknowledged as durable"),
        ({"durable_lost": 1}, DOES_NOT_HOLD, "lost 1 writes"),
        # A plain write was acknowledged, too.
        ({"plain_lost": 47}, DOES_NOT_HOLD, "lost 47 of the plain ones"),
        ({"bystander_crashes": 1}, DOES_NOT_HOLD, "1 servers went down by themselves"),
        ({"events_again_s": {"median": 9.0}}, DOES_NOT_HOLD, "events arrived 9.00 s later"),
        ({"links_up_s": {"median": None}}, NOT_MEASURED, "links_up_s/median has no number"),
        ({"faults": {}}, NOT_MEASURED, "no fault happened"),
        ({"durable_lost": None}, NOT_MEASURED, "durable_lost has no number"),
        ({"problems": [f"node1: the links {NEVER_BACK[0]} after fault 3."]}, DOES_NOT_HOLD, "did not all come up"),
        ({"problems": ["Not checked: something else."]}, HOLDS, "lost 0 writes"),
    ],
)
def test_faults(tmp_path: Path, changes: dict[str, Any], verdict: str, said: str) -> None:
    found = answer(tmp_path, 5, faults=faults(**changes))
    assert (found.verdict, said in found.sentence.text) == (verdict, True), found.sentence.text


def test_the_figure_is_the_one_that_speaks_against_it(tmp_path: Path) -> None:
    found = answer(tmp_path, 5, faults=faults(plain_lost=47))
    assert found.figure
    assert (found.figure.value, found.figure.unit) == (47, "writes")
    assert found.figure.sources == ("results/faults/latest.json#/plain_lost",)


def test_the_judge_of_faults_still_says_so_when_something_does_not_come_back() -> None:
    judge = Path(__file__).parents[2] / "app" / "src" / "keydb_observer" / "judge_recovery.py"
    assert all(words in judge.read_text(encoding="utf-8") for words in NEVER_BACK)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_marked_conditions_show_in_the_verdict(tmp_path: Path, number: int) -> None:
    mark = {"host": "node2", "condition": "throttled", "text": "under-voltage since boot"}
    conditions = {"verdict": "marked", "marks": [mark, mark | {"condition": "load"}, mark | {"host": "node3"}]}
    found = answer(tmp_path, number, bench=bench(conditions=conditions, hosts={"pi1": PI}))
    assert [each.text for each in found.marks] == [
        "node2, node3: throttled: under-voltage since boot",
        "node2: load: under-voltage since boot",
    ]
    assert found.verdict_text == f"{found.verdict}, under marked conditions"
