"""What the nodes hold in the end, against what storms were told when they wrote it.

The checks are those of Jepsen's for registers, counters and sets, made simple by what ``storm_plan`` sees to: a key has
one writer, whose operations on it follow each other, and nothing follows one that may be done late. An operation whose
outcome is unknown may have been done or not, so nothing is held against a node in either case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keydb_observer.duration import NS_PER_MILLISECOND, NS_PER_SECOND
from keydb_observer.history import Do, Operation
from keydb_observer.states import ABSENT, KeyState, KeyStates
from keydb_observer.storm_keys import KeyKind, host_of, kind_of

_REGISTERS = (KeyKind.PLAIN, KeyKind.DURABLE, KeyKind.GONE)
# Nodes expire keys on their own clocks, and not to the millisecond.
_EXPIRY_GRACE_NS = 10 * NS_PER_SECOND


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: ``text`` says what. The rest is of the operation that shows it, where there is one."""

    text: str
    key: str = ""
    value: str = ""
    op: int | None = None
    host: str = ""
    at_ns: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Without what is not known."""
        named = {
            "key": self.key,
            "value": self.value,
            "op": self.op,
            "host": self.host,
            "at_ns": self.at_ns,
            "text": self.text,
        }
        return {name: value for name, value in named.items() if value not in ("", None)}


class Keys:
    """All keys that any storm wrote or any node holds, with both sides of each."""

    def __init__(self, history: Mapping[str, Sequence[Operation]], states: Iterable[KeyStates]) -> None:
        self._operations: dict[str, list[Operation]] = defaultdict(list)
        self._hosts: dict[str, str] = {}
        for host, operations in history.items():
            for operation in operations:
                self._operations[operation.key].append(operation)
                self._hosts[operation.key] = host
        self._states = {each.key: each.states for each in states}
        # A key that no node has is not in any line.
        self._nodes = sorted({node for by_node in self._states.values() for node in by_node})

    def of(self, *kinds: KeyKind) -> Iterable[tuple[str, list[Operation], dict[str, KeyState]]]:
        """Each key of these kinds that was written to, its operations, and what each node holds."""
        for key, operations in self._operations.items():
            if kind_of(key) in kinds:
                yield key, operations, self.states(key)

    def held(self) -> Iterable[tuple[str, list[Operation], dict[str, KeyState]]]:
        """The same for each key that any node holds, whoever wrote it."""
        for key, by_node in self._states.items():
            yield key, self._operations.get(key, []), by_node

    def states(self, key: str) -> dict[str, KeyState]:
        """What each node holds."""
        by_node = self._states.get(key, {})
        return {node: by_node.get(node, ABSENT) for node in self._nodes}

    def finding(self, text: str, operation: Operation) -> Finding:
        """About this operation."""
        host = self._hosts[operation.key] if kind_of(operation.key) is not KeyKind.BOTH else host_of(operation.value)
        return Finding(text, operation.key, operation.value, operation.op, host, operation.done_ns or operation.sent_ns)


def lost_writes(keys: Keys) -> tuple[list[Finding], list[Finding]]:
    """Keys whose latest acknowledged write is missing at a node: where it was durable, and where it was not.

    A node may hold what came after that write, even if it is not known whether it was done, but nothing from before it.
    """
    durable: list[Finding] = []
    plain: list[Finding] = []
    for _, operations, states in keys.of(*_REGISTERS):
        if any(operation.do is Do.DEL and operation.may_be_done for operation in operations):
            continue
        sets = [operation for operation in operations if operation.do is Do.SET]
        places = {operation.value: place for place, operation in enumerate(sets) if operation.may_be_done}
        last = _last(place for place, operation in enumerate(sets) if operation.is_acknowledged)
        last_durable = _last(place for place, operation in enumerate(sets) if operation.durable)
        held = {node: _place(state, places) for node, state in states.items()}
        for found, place in ((durable, last_durable), (plain, last)):
            nodes = [node for node, there in held.items() if there is not None and there < place]
            if nodes:
                text = f"{', '.join(nodes)} {_hold(nodes)} {_shown(states[nodes[0]])} instead"
                found.append(keys.finding(text, sets[place]))
                break
    return durable, plain


def _last(places: Iterable[int]) -> int:
    return max(places, default=-1)


def _place(state: KeyState, places: Mapping[str, int]) -> int | None:
    """Of the write that is there: -1 where there is none, None where it is nobody's, which is another check's."""
    if state.type == ABSENT.type:
        return -1
    return places.get(state.value or "")


def wrong_counters(keys: Keys) -> list[Finding]:
    """Counters that are not between the increments that were acknowledged and those that may have been done."""
    found = []
    for _, operations, states in keys.of(KeyKind.COUNTER):
        least = sum(operation.is_acknowledged for operation in operations)
        most = sum(operation.may_be_done for operation in operations)
        for node, state in states.items():
            count = _count(state)
            if count is not None and not least <= count <= most:
                allowed = str(least) if least == most else f"{least} to {most}"
                found.append(keys.finding(f"{node} has counted {count}, where it must be {allowed}", operations[-1]))
                break
    return found


def _count(state: KeyState) -> int | None:
    if state.type == ABSENT.type:
        return 0
    try:
        return int(state.value or "")
    except ValueError:
        return None


def resurrected(keys: Keys) -> tuple[list[Finding], list[Finding]]:
    """Keys that are there after their delete was acknowledged: where that was durable, and where it was not."""
    durable: list[Finding] = []
    plain: list[Finding] = []
    for _, operations, states in keys.of(KeyKind.GONE):
        deletes = [operation for operation in operations if operation.do is Do.DEL and operation.is_acknowledged]
        nodes = [node for node, state in states.items() if state.type != ABSENT.type]
        if deletes and nodes:
            delete = deletes[-1]
            text = f"{', '.join(nodes)} {_hold(nodes)} it after its delete"
            (durable if delete.durable else plain).append(keys.finding(text, delete))
    return durable, plain


def never_written(keys: Keys) -> list[Finding]:
    """What a node holds though nobody set it so: no storm's value, one of another key, or one that was refused."""
    found = []
    for key, operations, states in keys.held():
        is_counter = kind_of(key) is KeyKind.COUNTER
        allowed = {operation.value for operation in operations if operation.may_be_done}
        for node, state in states.items():
            if state.type == ABSENT.type:
                continue
            is_known = _count(state) is not None if is_counter and operations else state.value in allowed
            if state.type != "string" or not is_known:
                text = f"{node} holds {_shown(state)}, which nobody set there"
                found.append(Finding(text, key, state.value or "", host=host_of(state.value or "")))
                break
    return found


def not_expired(keys: Keys, quiet_ns: int) -> list[Finding]:
    """Keys that are still there long after they should have vanished; ``quiet_ns`` is when they were looked at."""
    found = []
    for _, operations, states in keys.of(KeyKind.BRIEF):
        latest = operations[-1]
        due_ns = (latest.done_ns or latest.sent_ns) + latest.expires_ms * NS_PER_MILLISECOND + _EXPIRY_GRACE_NS
        nodes = [node for node, state in states.items() if state.type != ABSENT.type]
        if nodes and quiet_ns > due_ns:
            late_s = (quiet_ns - due_ns + _EXPIRY_GRACE_NS) / NS_PER_SECOND
            text = f"{', '.join(nodes)} {_hold(nodes)} it {late_s:.1f} s after it was to expire"
            found.append(keys.finding(text, latest))
    return found


def differing(states: Iterable[KeyStates]) -> list[Finding]:
    """Keys in which nodes differ."""
    return [
        Finding("; ".join(f"{node}: {_shown(state)}" for node, state in each.states.items()), each.key)
        for each in states
        if each.is_different
    ]


def _hold(nodes: Sequence[str]) -> str:
    return "holds" if len(nodes) == 1 else "hold"


def _shown(state: KeyState) -> str:
    if state.type == ABSENT.type:
        return "nothing"
    return repr(state.value) if state.value is not None else f"a {state.type}"
