"""The rule by which a repair makes nodes equal. Pure: it is given what the nodes hold, and says what they should.

Whoever lacks a key is given it (union of keys). Where values of one key differ, the newest write counts if each of them
carries its time, as this program's own do. Hashes, sets and sorted sets get the union of their members. All else, a
field or score that differs and a conflict of types included, is as most of the nodes that have it hold it; a tie goes
to the node that has run longest, because one that came back is the one in doubt. The latest deadline counts.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from keydb_observer.audit_reading import State
from keydb_observer.messages import Handshake, MalformedError, Report, SharedValue

MERGED = ("hash", "set", "zset")
"""Types whose members are united."""


class Rule(str, enum.Enum):
    """What decided about a key."""

    GIVEN = "given to all"
    NEWEST = "newest write"
    UNION = "union of members"
    MOST = "most nodes"
    LONGEST_UP = "longest up"
    DEADLINE = "latest expiry"


@dataclass(frozen=True)
class Decision:
    """What all nodes should hold under a key.

    ``source`` is the place of a node that holds that value; None where it is the union of the members that nodes with
    this ``kind`` of value have. ``deadline_ms`` is when the key is to expire, on this host's monotonic clock; None:
    never.
    """

    key: bytes
    states: tuple[State, ...]
    rule: Rule
    kind: str
    source: int | None
    deadline_ms: int | None

    @property
    def wanted(self) -> State | None:
        """The state that all nodes should be in; None where only the members will tell."""
        return None if self.source is None else State(self.kind, self.states[self.source].digest, self.deadline_ms)

    @property
    def changing(self) -> tuple[int, ...]:
        """Places of the nodes that are not as they should be; of a union all, for any of them may lack a member."""
        wanted = self.wanted
        return tuple(place for place, state in enumerate(self.states) if wanted is None or state.differs(wanted))


def decide(key: bytes, states: Sequence[State], texts: Sequence[bytes | None], order: Sequence[int]) -> Decision:
    """What to do about a key that nodes hold differently.

    Args:
        key: Its name.
        states: What the nodes hold, by their places. At least one of them has the key.
        texts: The nodes' values, where they are strings that may carry a time, else None.
        order: All places, those first whose word counts where there are as many on either side.
    """
    holders = [place for place in order if states[place].kind != "none"]
    kind, kinds_rule = _most_frequent([states[place].kind for place in holders])
    alike = [place for place in holders if states[place].kind == kind]
    source, rule = _chosen(kind, alike, states, texts, is_contested=len(alike) < len(holders))
    deadlines = [states[place].deadline_ms for place in alike]
    deadline_ms = None if None in deadlines else max(deadline for deadline in deadlines if deadline is not None)
    if rule is None:
        is_everywhere = len(alike) == len(states)
        rule = kinds_rule if len(alike) < len(holders) else Rule.DEADLINE if is_everywhere else Rule.GIVEN
    return Decision(key, tuple(states), rule, kind, source, deadline_ms)


def _chosen(
    kind: str, alike: Sequence[int], states: Sequence[State], texts: Sequence[bytes | None], *, is_contested: bool
) -> tuple[int | None, Rule | None]:
    """Whose value counts among nodes that hold one type, and why; no reason where they hold the same."""
    if len({states[place].digest for place in alike}) == 1:
        return alike[0], None
    times = {place: _written_at(texts[place]) for place in alike} if kind == "string" else {}
    known = {place: time for place, time in times.items() if time}
    if known and len(known) == len(alike) and len({time[0] for time in known.values()}) == 1:
        newest = max(known.values())
        latest = [place for place in alike if known[place] == newest]
        if len({states[place].digest for place in latest}) == 1:
            return latest[0], Rule.NEWEST
    # To unite members a node must have some, and one of another type would have to lose its value first.
    if kind in MERGED and not is_contested:
        return None, Rule.UNION
    digest, rule = _most_frequent([states[place].digest for place in alike])
    return next(place for place in alike if states[place].digest == digest), rule


def _written_at(text: bytes | None) -> tuple[str, int, int, int] | None:
    """What kind of this program's values it is, and what orders those of one kind by time; None for other values."""
    if text is None:
        return None
    # In this order: a handshake has all that makes a shared value, and more.
    for kind in (Handshake, Report, SharedValue):
        try:
            message = kind.parse(text)
        except MalformedError:
            continue
        if isinstance(message, SharedValue):
            return kind.__name__, message.t1_ns, message.epoch, message.seq
        if isinstance(message, Handshake):
            return kind.__name__, message.t3_ns, message.epoch, message.seq
        return kind.__name__, message.sent_ns, 0, 0
    return None


_Held = TypeVar("_Held", bound=Hashable)


def _most_frequent(held: Sequence[_Held]) -> tuple[_Held, Rule]:
    """What is held most often, given in the order of the nodes; of what is held as often, the first."""
    counts = Counter(held)
    most = max(counts.values())
    is_tie = sum(count == most for count in counts.values()) > 1
    return next(each for each in held if counts[each] == most), Rule.LONGEST_UP if is_tie else Rule.MOST


Members = Mapping[bytes, bytes]
"""Of a hash field to value, of a sorted set member to score, and of a set member to nothing."""


def union_of(members: Mapping[int, Members], order: Sequence[int]) -> Members:
    """All members that any node has. What is said differently of one is as most of those that have it say."""
    union: dict[bytes, bytes] = {}
    places = [place for place in order if place in members]
    for place in places:
        for member in members[place]:
            if member not in union:
                said = [members[other][member] for other in places if member in members[other]]
                union[member], _ = _most_frequent(said)
    return union


def lacking(union: Members, members: Members) -> Members:
    """What a node with these members has to be given, so that it has the union."""
    return {member: value for member, value in union.items() if members.get(member) != value}
