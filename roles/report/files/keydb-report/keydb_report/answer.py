"""An answer: clauses that were each checked by themselves, and the verdict that they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keydb_report.cited import Cited, NotMeasuredError, Sentence, join, say, understood

HOLDS, DOES_NOT_HOLD, NOT_MEASURED = "holds", "does not hold", "not measured"


@dataclass(frozen=True)
class Clause:
    """What one check has found, in words; ``holds`` is None where it could not be decided.

    ``figure`` is the one that decides. A clause that is only ``told`` has no say in the verdict.
    """

    said: Sentence
    holds: bool | None
    figure: Cited | None = None
    told: bool = False


Check = Callable[[], Clause]


@dataclass(frozen=True)
class Answer:
    """``marks`` are conditions under which it was measured and that it may owe its figures to."""

    number: int
    claim: str
    sentence: Sentence
    figure: Cited | None
    verdict: str
    marks: Sequence[Sentence] = ()

    @property
    def key(self) -> str:
        """For links to it."""
        return f"question-{self.number}"

    @property
    def verdict_text(self) -> str:
        """With what has to be said beside it."""
        return (
            f"{self.verdict}, under marked conditions" if self.marks and self.verdict != NOT_MEASURED else self.verdict
        )

    def as_json(self) -> dict[str, Any]:
        """For answers.json."""
        return {
            "question": self.number,
            "claim": self.claim,
            "sentence": self.sentence.text,
            "figure": self.figure.value if self.figure else None,
            "unit": self.figure.unit if self.figure else None,
            "verdict": self.verdict,
            "source": list(self.figure.sources) if self.figure else [],
            "derived": (self.figure.how if self.figure else "") or None,
            "cited": [{"text": each.text, "source": list(each.sources)} for each in self.sentence.cited],
            "marks": [mark.text for mark in self.marks],
        }


def answered(number: int, claim: str, checks: Sequence[Check], marks: Sequence[Sentence] = ()) -> Answer:
    """Runs every check. Does not hold: one of them does not. Holds: all do. Not measured: else."""
    clauses: list[Clause] = []
    reasons: list[str] = []
    for check in checks:
        try:
            clauses.append(understood(check))
        except NotMeasuredError as why:
            # What is lacking is often lacking for several checks.
            if why.why.text not in reasons:
                reasons.append(why.why.text)
                clauses.append(Clause(say("not measured: {why}", why=why.why), None))
    verdict = _verdict([clause.holds for clause in clauses if not clause.told])
    figures = [clause.figure for clause in _deciding(clauses, verdict) if clause.figure]
    sentence = join([*(clause.said for clause in clauses)], "; ")
    return Answer(number, claim, _as_sentence(sentence), figures[0] if figures else None, verdict, marks)


def _verdict(found: Sequence[bool | None]) -> str:
    if False in found:
        return DOES_NOT_HOLD
    return NOT_MEASURED if None in found or not found else HOLDS


def _deciding(clauses: Sequence[Clause], verdict: str) -> list[Clause]:
    """Those that speak against it first, where it does not hold."""
    against = [clause for clause in clauses if clause.holds is False]
    return [*against, *clauses] if verdict == DOES_NOT_HOLD else list(clauses)


def _as_sentence(sentence: Sentence) -> Sentence:
    first, *others = sentence.parts
    if isinstance(first, str):
        first = first[:1].upper() + first[1:]
    return Sentence((first, *others, "."))
