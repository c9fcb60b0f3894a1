"""The verdict: what every check has found, and whether that is what is promised.

An engine that replicates asynchronously promises nothing for a write that only one node has when that is killed. So
plain writes that are lost are counted and shown, but only what was acknowledged as durable has to be there. What could
not be checked does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keydb_observer.judge_accounts import uncounted
from keydb_observer.judge_keys import (
    Finding,
    Keys,
    differing,
    lost_writes,
    never_written,
    not_expired,
    resurrected,
    wrong_counters,
)
from keydb_observer.judge_records import RunFacts
from keydb_observer.judge_recovery import Expected, Times, bystander_crashes, longest_down, recoveries
from keydb_observer.judge_run import Run

SCHEMA = 1
MOST_EXAMPLES = 20
LONGEST_BYSTANDER_DOWN_S = 5.0
LONGEST_EVENTS_AGAIN_S = 3.0

_KEY_FILES = ("history", "states.jsonl")


@dataclass(frozen=True)
class Check:
    """``found`` is None where it was not checked, because of what is ``lacking``; ``allowed`` None: it is only told.

    ``text`` says what is counted or measured, and ``unit`` in what.
    """

    name: str
    text: str
    found: float | None
    allowed: float | None
    lacking: Sequence[str] = ()
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.lacking and (self.allowed is None or self.found is None or self.found <= self.allowed)

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence."""
        if self.lacking:
            return f"Not checked: {self.text}, because of {', '.join(self.lacking)}."
        return f"{_sentence(self.text)}: {self.shown}, where {self.allowed:g}{self.unit} is allowed."

    @property
    def shown(self) -> str:
        """What was found, with its unit."""
        return "-" if self.found is None else f"{self.found:g}{self.unit}"


@dataclass
class Verdict:
    """``problems`` are why it does not hold, ``remarks`` what else should be known; each is a sentence."""

    facts: RunFacts | None
    faults: Mapping[str, int]
    not_possible: Mapping[str, str]
    operations: Mapping[str, int]
    checks: list[Check] = field(default_factory=list)
    times: dict[str, Times | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    examples: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether all that is promised was checked, and found to be so."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """What was not checked is null. Times are Unix time in ns where the name says so, else seconds."""
        facts = self.facts
        return {
            "schema": SCHEMA,
            "inventory": facts.inventory if facts else None,
            "engine": facts.engine if facts else None,
            "engine_version": facts.engine_version if facts else None,
            "begun_ns": facts.begun_ns if facts else None,
            "seed": facts.seed if facts else None,
            "faults": dict(self.faults),
            "not_possible": dict(self.not_possible),
            "operations": dict(self.operations),
            **{check.name: check.found for check in self.checks if check.name not in self.times},
            **{name: times.as_json() if times else None for name, times in self.times.items()},
            "holds": self.holds,
            "problems": self.problems,
            "remarks": self.remarks,
            "examples": {name: [finding.as_json() for finding in some] for name, some in self.examples.items()},
        }


def judge(run: Run) -> Verdict:
    """Runs every check whose input is there."""
    return _Judge(run).judge()


class _Judge:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._expected = Expected(run.faults)
        done = [fault for fault in run.faults if fault.is_done]
        self._verdict = Verdict(
            facts=run.facts,
            faults=dict(Counter(fault.kind for fault in done)),
            not_possible={fault.kind: fault.outcome for fault in run.faults if not fault.is_done},
            operations={
                "acknowledged": 0,
                "failed": 0,
                "unknown": 0,
                **Counter(operation.outcome.value for some in run.history.values() for operation in some),
            },
        )

    def judge(self) -> Verdict:
        self._judge_keys()
        self._judge_accounts()
        self._judge_servers()
        self._judge_recovery()
        verdict = self._verdict
        verdict.problems[:0] = [check.problem for check in verdict.checks if not check.holds]
        verdict.problems += [f"{text}." for text in self._run.spoiled]
        return verdict

    def _judge_keys(self) -> None:
        run = self._run
        keys = Keys(run.history, run.states)
        durable_lost, plain_lost = lost_writes(keys)
        durable_back, plain_back = resurrected(keys)
        quiet_ns = run.facts.quiet_ns if run.facts else 0
        self._count("durable_lost", "acknowledged durable writes that are lost", durable_lost, 0, _KEY_FILES)
        self._count("plain_lost", "other acknowledged writes that are lost", plain_lost, None, _KEY_FILES)
        self._count("counters_wrong", "counters that are wrong", wrong_counters(keys), None, _KEY_FILES)
        self._count(
            "resurrected", "deletes that came back, durable or not", [*durable_back, *plain_back], None, _KEY_FILES
        )
        self._count("durable_resurrected", "durable deletes that came back", durable_back, 0, _KEY_FILES)
        self._count("never_written", "values that nobody wrote", never_written(keys), 0, _KEY_FILES)
        expired = not_expired(keys, quiet_ns)
        self._count("expired_kept", "keys that have not expired", expired, 0, (*_KEY_FILES, "run.json"))
        self._count("differing_keys", "keys in which nodes differ", differing(run.states), 0, ("states.jsonl",))
        lasted = [each.different_for_s for each in run.states if each.different_for_s is not None]
        self._verdict.times["different_for_s"] = None if run.lacks("states.jsonl") else Times.of(lasted)

    def _judge_accounts(self) -> None:
        run = self._run
        lacking = run.lacks("accounts", "reads")
        if not lacking and not any(account.listeners for account in run.accounts.values()):
            lacking = ["accounts (no listener in them)"]
        total, found, unknown = uncounted(run.accounts, run.reads)
        text = "writes that a listener neither read nor counted"
        self._add("uncounted_missed", text, total, 0, lacking)
        self._show("uncounted_missed", found, lacking)
        if not lacking:
            self._verdict.problems += [f"Not checked: {_at(finding)}." for finding in unknown]

    def _judge_servers(self) -> None:
        run = self._run
        begun_ns = run.facts.begun_ns if run.facts else 0
        crashes = bystander_crashes(run.services, self._expected, begun_ns)
        names = ("services", "faults.jsonl", "run.json")
        self._count("bystander_crashes", "servers that went down by themselves", crashes, None, names)
        down = longest_down(run.samples, self._expected)
        lacking = run.lacks("samples", "faults.jsonl")
        text = "the longest that such a server was down"
        limit_s = LONGEST_BYSTANDER_DOWN_S
        self._add("longest_bystander_down_s", text, down.longest_s, limit_s, lacking, " s")
        self._show("longest_bystander_down_s", [down.finding] if down.finding else [], lacking)
        self._verdict.remarks += [f"{_at(gap)}." for gap in down.gaps]

    def _judge_recovery(self) -> None:
        run = self._run
        found, never = recoveries(run.faults, run.samples, run.reads)
        # A listener that is killed breaks no link, and a median over such faults would say nothing of links.
        broke = [recovery for recovery in found if recovery.broke]
        up = Times.of([recovery.links_up_s for recovery in broke])
        again = Times.of([recovery.events_again_s for recovery in broke if recovery.events_again_s is not None])
        names = ("samples", "faults.jsonl")
        text = "median time from the end of a fault until all links were up"
        self._time("links_up_s", text, up, None, run.lacks(*names))
        text = "median time from then until its listeners saw events again"
        self._time("events_again_s", text, again, LONGEST_EVENTS_AGAIN_S, run.lacks(*names, "reads"))
        if not run.lacks(*names):
            self._verdict.problems += [f"{_at(finding)}." for finding in never]

    def _count(
        self, name: str, text: str, found: Sequence[Finding], allowed: float | None, inputs: Sequence[str]
    ) -> None:
        lacking = self._run.lacks(*inputs)
        self._add(name, text, len(found), allowed, lacking)
        self._show(name, found, lacking)

    def _time(self, name: str, text: str, times: Times, allowed: float | None, lacking: Sequence[str]) -> None:
        self._verdict.times[name] = None if lacking else times
        self._add(name, text, times.median, allowed, lacking, " s")

    def _add(
        self,
        name: str,
        text: str,
        found: float | None,
        allowed: float | None,
        lacking: Sequence[str],
        unit: str = "",
    ) -> None:
        self._verdict.checks.append(Check(name, text, None if lacking else found, allowed, lacking, unit))

    def _show(self, name: str, found: Sequence[Finding], lacking: Sequence[str]) -> None:
        if found and not lacking:
            self._verdict.examples[name] = list(found[:MOST_EXAMPLES])


def _at(finding: Finding) -> str:
    return f"{finding.host}: {finding.text}" if finding.host else _sentence(finding.text)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
