"""The rule by which nodes are made equal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.audit_reading import ABSENT, State
from keydb_observer.audit_repair_plan import Decision, Rule, decide, lacking, union_of
from keydb_observer.audit_stamp import stamp_of
from keydb_observer.messages import Handshake, SharedValue, WokenBy

KINDS = ("string", "list", "hash", "set", "zset", "stream")
OLD = SharedValue("node1", 1, 7, 1_000).encode()
NEW = SharedValue("node1", 1, 8, 2_000).encode()
ANSWER = Handshake("listener-sync", "node2", "k", "node1", 1, 7, 1_000, 1_001, 1_002, 1, WokenBy.EVENT).encode()


def string(value: bytes, deadline_ms: int | None = None) -> State:
    return State("string", value, deadline_ms)


def rule(*states: State, texts: list[bytes | None] | None = None, order: tuple[int, ...] | None = None) -> Decision:
    return decide(b"key", states, texts or [None] * len(states), order or tuple(range(len(states))))


def test_a_key_that_some_have_is_given_to_the_others() -> None:
    found = rule(ABSENT, string(b"x", 5000), ABSENT)
    assert (found.rule, found.source, found.changing) == (Rule.GIVEN, 1, (0, 2))
    assert found.wanted == string(b"x", 5000)


def test_the_newest_write_counts_whoever_has_it() -> None:
    found = rule(string(b"o"), string(b"o"), string(b"n"), texts=[OLD, OLD, NEW])
    assert (found.rule, found.source, found.changing) == (Rule.NEWEST, 2, (0, 1))


@pytest.mark.parametrize("other", [b"no time in it", ANSWER, None])
def test_a_time_counts_only_among_values_of_one_kind_that_all_have_one(other: bytes | None) -> None:
    found = rule(string(b"n"), string(b"x"), string(b"x"), texts=[NEW, other, other])
    assert (found.rule, found.source, found.changing) == (Rule.MOST, 1, (0,))


def test_without_a_time_what_most_nodes_hold() -> None:
    found = rule(string(b"x"), string(b"y"), string(b"y"), order=(0, 1, 2))
    assert (found.rule, found.source, found.changing) == (Rule.MOST, 1, (0,))


@pytest.mark.parametrize("kind", ["string", "list", "stream"])
def test_in_a_tie_the_node_that_has_run_longest(kind: str) -> None:
    found = rule(State(kind, b"x"), State(kind, b"y"), State(kind, b"z"), order=(2, 0, 1))
    assert (found.rule, found.source, found.changing) == (Rule.LONGEST_UP, 2, (0, 1))


@pytest.mark.parametrize("kind", ["hash", "set", "zset"])
def test_members_are_united(kind: str) -> None:
    found = rule(State(kind, b"x"), State(kind, b"y"), ABSENT)
    assert (found.rule, found.source, found.wanted, found.changing) == (Rule.UNION, None, None, (0, 1, 2))


def test_of_types_the_one_that_most_nodes_hold_and_nothing_is_united_then() -> None:
    found = rule(State("set", b"x"), string(b"s"), State("set", b"y"), State("set", b"y"), order=(1, 0, 2, 3))
    assert (found.rule, found.kind, found.source, found.changing) == (Rule.MOST, "set", 2, (0, 1))
    tie = rule(State("set", b"x"), string(b"s"), order=(1, 0))
    assert (tie.rule, tie.kind, tie.source) == (Rule.LONGEST_UP, "string", 1)


def test_the_latest_expiry_and_none_if_a_node_has_none() -> None:
    found = rule(string(b"x", 5000), string(b"x", 90_000))
    assert (found.rule, found.changing, found.deadline_ms) == (Rule.DEADLINE, (0,), 90_000)
    never = rule(string(b"x", 5000), string(b"x", None), string(b"y", 7000))
    assert (never.source, never.deadline_ms) == (0, None)


states = st.builds(
    State, st.sampled_from(["none", *KINDS]), st.sampled_from([b"a", b"b", b"c"]), st.none() | st.integers(0, 9000)
).map(lambda state: ABSENT if state.kind == "none" else state)
nodes = st.lists(states, min_size=2, max_size=5).filter(lambda found: any(state.kind != "none" for state in found))


@given(nodes, st.randoms())
def test_the_rule_settles_what_differs(found: list[State], random: object) -> None:
    """Whoever asks in whichever order of the nodes decides the same, and nothing is left to decide afterwards."""
    order = list(range(len(found)))
    random.shuffle(order)  # type: ignore[attr-defined]
    decision = rule(*found, order=tuple(order))
    # The same nodes given in another order.
    turned = decide(b"key", [found[place] for place in order], [None] * len(found), range(len(found)))
    assert (turned.rule, turned.kind, turned.deadline_ms, turned.wanted) == (
        *(decision.rule, decision.kind, decision.deadline_ms),
        decision.wanted,
    )
    assert decision.kind in {state.kind for state in found}
    assert decision.kind != "none"
    if decision.wanted:
        after = [decision.wanted if place in decision.changing else state for place, state in enumerate(found)]
        assert {one.differs(other) for one in after for other in after} <= {"", "expiry"}
        assert all(not state.differs(decision.wanted) for state in after)


member_sets = st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"1", b"2"]))


@given(st.lists(member_sets, min_size=1, max_size=4))
def test_a_union_has_every_member_and_invents_none(sets: list[dict[bytes, bytes]]) -> None:
    union = union_of(dict(enumerate(sets)), range(len(sets)))
    assert set(union) == {member for members in sets for member in members}
    for member, value in union.items():
        held = [members[member] for members in sets if member in members]
        assert held.count(value) == max(map(held.count, held))
    for members in sets:
        assert {**members, **lacking(union, members)} == union


def test_a_field_in_conflict_is_as_most_say_then_as_the_longest_up_says() -> None:
    members = {0: {b"f": b"1"}, 1: {b"f": b"2"}, 2: {b"f": b"2", b"g": b"3"}}
    assert union_of(members, (0, 1, 2)) == {b"f": b"2", b"g": b"3"}
    assert union_of({0: {b"f": b"1"}, 1: {b"f": b"2"}}, (1, 0)) == {b"f": b"2"}


def test_a_decision_changes_nobody_who_is_right() -> None:
    found = rule(string(b"x", 5000), string(b"x", 5300), ABSENT)
    assert found.changing == (2,)
    assert replace(found, source=None).changing == (0, 1, 2)


def test_a_stamp_is_read_from_the_end_of_a_dump() -> None:
    stamp = 1_795_000_000_000 << 20
    digits = str(stamp).encode()
    field = b"\xfa\x0bmvcc-tstamp" + bytes([len(digits)]) + digits
    assert stamp_of(b"\x00\x01x" + field + b"\x0a\x00" + b"checksum") == stamp
    assert stamp_of(b"\x00\x01x" + b"\x0a\x00" + b"checksum") is None
    unknown = b"\xfa\x0bmvcc-tstamp\x14" + str((1 << 64) - 1).encode()
    assert stamp_of(b"\x00\x01x" + unknown + b"\x0a\x00" + b"checksum") is None
