"""The five questions, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from keydb_report.answer import Answer
from keydb_report.cited import Cited
from keydb_report.inputs import Inputs
from keydb_report.questions import consistency, edge, engines, faults, listeners

Question = Callable[[Inputs, Cited], Answer]

_QUESTIONS: tuple[Question, ...] = (
    consistency.answer,
    engines.answer,
    listeners.answer,
    edge.answer,
    faults.answer,
)


def answers(inputs: Inputs, enough: Cited) -> list[Answer]:
    """Answers to all of them; ``enough`` is how many events/s a cluster has to carry."""
    return [question(inputs, enough) for question in _QUESTIONS]
