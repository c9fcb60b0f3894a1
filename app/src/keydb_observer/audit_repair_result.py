"""What became of a repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from keydb_observer.audit_repair_plan import Decision

_MOST_TROUBLES = 5


@dataclass
class RepairResult:
    """``planned`` counts keys by the rule that decided, ``repaired`` by the kind of difference that they had.

    ``busy`` keys changed meanwhile and were left alone; ``failed`` ones are still different. ``troubles`` are the first
    of the errors that nodes answered with.
    """

    planned: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    busy: int = 0
    failed: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def repaired_keys(self) -> int:
        """How many keys this made equal."""
        return sum(self.repaired.values())

    def note_plan(self, decisions: Sequence[Decision]) -> None:
        """Takes in what is meant to be done."""
        counts = Counter(self.planned)
        counts.update(decision.rule.value for decision in decisions)
        self.planned = dict(counts)

    def note_repaired(self, kind: str) -> None:
        """A key that differed in this is equal everywhere."""
        self.repaired[kind] = self.repaired.get(kind, 0) + 1

    def note_trouble(self, text: str) -> None:
        """A node answered with an error."""
        if text not in self.troubles and len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(text)
