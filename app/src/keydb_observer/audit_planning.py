"""Decides about differences by the rule of ``audit_repair_plan``, and reads the values that it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TypeVar

from keydb_observer.audit import Difference
from keydb_observer.audit_nodes import Nodes
from keydb_observer.audit_repair_plan import Decision, decide

AT_ONCE = 20
"""Values of so many keys are held at a time, of every node."""
# Longer than any value of this program's that has no payload to speak of. A longer one has no time that counts.
_LONGEST_TIMED = 1 << 16

_Item = TypeVar("_Item")


def parts(items: Sequence[_Item], size: int = AT_ONCE) -> Iterator[Sequence[_Item]]:
    """The items in pieces of this size; the last one may be shorter."""
    return (items[start : start + size] for start in range(0, len(items), size))


async def plan(nodes: Nodes, differences: Sequence[Difference], order: Sequence[int]) -> list[Decision]:
    """What to do about each difference. Raises CannotAuditError."""
    decisions = []
    for part in parts(differences):
        texts = await asyncio.gather(*(_texts_at(nodes, place, part) for place in nodes.places))
        for number, difference in enumerate(part):
            values = [texts[place][number] for place in nodes.places]
            decisions.append(decide(difference.key, difference.states, values, order))
    return decisions


async def _texts_at(nodes: Nodes, place: int, differences: Sequence[Difference]) -> list[bytes | None]:
    """The values that may carry a time; None for all others."""
    asked = [difference for difference in differences if _may_be_timed(difference)]
    replies = iter(await nodes.ask(place, [("GETRANGE", each.key, 0, _LONGEST_TIMED) for each in asked]))
    # An error is for the look that precedes a write: then it is not the string any more that it was.
    texts = [next(replies) if _may_be_timed(each) else None for each in differences]
    return [text if isinstance(text, bytes) and len(text) <= _LONGEST_TIMED else None for text in texts]


def _may_be_timed(difference: Difference) -> bool:
    return len({state.digest for state in difference.states if state.kind == "string"}) > 1
