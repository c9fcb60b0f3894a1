"""The checks of what nodes hold in the end, with histories that are right, and wrong in each way that there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_harness import ACK, BEGUN, FAILED, NODES, UNKNOWN, S, did, held, keys_of
from keydb_observer.history import Do, Operation, Outcome
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
from keydb_observer.states import KeyStates

PLAIN, DURABLE = "storm:a:plain:1", "storm:a:durable:1"
COUNTER, GONE, BRIEF, BOTH = "storm:a:counter:1", "storm:a:gone:1", "storm:a:brief:1", "storm:both:1"
LATE = BEGUN + 1000 * S


def all_findings(keys: Keys) -> list[Finding]:
    """Of every check that looks at one key for itself."""
    return [
        *(finding for some in (*lost_writes(keys), *resurrected(keys)) for finding in some),
        *wrong_counters(keys),
        *never_written(keys),
        *not_expired(keys, LATE),
    ]


def incremented(*outcomes: Outcome) -> list[Operation]:
    return [did(op, COUNTER, outcome, Do.INCR) for op, outcome in enumerate(outcomes, 1)]


# What must not alarm


@pytest.mark.parametrize(
    ("operations", "states"),
    [
        ([did(1, PLAIN), did(2, PLAIN)], held(PLAIN, "a/2")),
        # Nobody can tell whether the second was done, and nodes may even differ in that.
        ([did(1, PLAIN), did(2, PLAIN, UNKNOWN)], held(PLAIN, "a/1", "a/2", "a/1")),
        ([did(1, PLAIN), did(2, PLAIN, FAILED)], held(PLAIN, "a/1")),
        ([did(1, PLAIN, UNKNOWN)], held(PLAIN, None, "a/1", None)),
        ([did(1, PLAIN, FAILED)], held(PLAIN, None)),
        ([did(1, DURABLE, durable=1), did(2, DURABLE, durable=1)], held(DURABLE, "a/2")),
        (incremented(ACK, ACK), held(COUNTER, "2")),
        (incremented(ACK, UNKNOWN, ACK, FAILED), held(COUNTER, "2", "3", "2")),
        (incremented(UNKNOWN), held(COUNTER, None)),
        ([did(1, GONE), did(2, GONE, do=Do.DEL, durable=1)], held(GONE, None)),
        ([did(1, GONE), did(2, GONE, UNKNOWN, Do.DEL)], held(GONE, "a/1", None, "a/1")),
        ([did(1, GONE), did(2, GONE, FAILED, Do.DEL)], held(GONE, "a/1")),
        ([did(1, BRIEF, do=Do.EXPIRE, expires_ms=500)], held(BRIEF, None)),
        ([did(1, BOTH, do=Do.SET_BOTH), did(2, BOTH, do=Do.SET_BOTH)], held(BOTH, "a/1", "a/2", "a/2")),
    ],
)
def test_what_is_right_does_not_alarm(operations: list[Operation], states: KeyStates) -> None:
    assert all_findings(keys_of(operations, states)) == []


def test_a_brief_key_has_its_time_and_some_more() -> None:
    operations = [did(1, BRIEF, do=Do.EXPIRE, expires_ms=500)]
    assert not_expired(keys_of(operations, held(BRIEF, "a/1")), BEGUN + 5 * S) == []


def test_keys_that_many_hosts_set_are_known_by_all_their_histories() -> None:
    history = {
        "a": [did(1, BOTH, do=Do.SET_BOTH)],
        "b": [did(1, BOTH, do=Do.SET_BOTH, host="b")],
    }
    keys = Keys(history, [held(BOTH, "a/1", "b/1", "b/1")])
    assert all_findings(keys) == []


# What must alarm, once for each key


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize("on_nodes", [("a/1",), ("a/2", "a/1", "a/2"), (None,), ("a/2", "a/2", None)])
def test_a_lost_durable_write(on_nodes: tuple[str | None, ...]) -> None:
    keys = keys_of([did(1, DURABLE, durable=1), did(2, DURABLE, durable=1)], held(DURABLE, *on_nodes))
    durable, plain = lost_writes(keys)
    finding = only(durable)
    assert (finding.key, finding.value, finding.op, finding.host) == (DURABLE, "a/2", 2, "a")
    assert finding.at_ns == BEGUN + 2 * S + S // 100
    assert plain == []


def test_a_lost_write_says_who_holds_what() -> None:
    _, plain = lost_writes(keys_of([did(1, PLAIN), did(2, PLAIN)], held(PLAIN, "a/2", "a/1", "a/1")))
    assert only(plain).text == "b, c hold 'a/1' instead"


def test_a_lost_plain_write() -> None:
    durable, plain = lost_writes(keys_of([did(1, PLAIN), did(2, PLAIN)], held(PLAIN, "a/1")))
    assert (durable, only(plain).op) == ([], 2)


def test_a_write_that_no_replica_confirmed_in_time_is_lost_as_a_plain_one() -> None:
    operations = [did(1, DURABLE, durable=1), did(2, DURABLE, durable=0)]
    durable, plain = lost_writes(keys_of(operations, held(DURABLE, "a/1")))
    assert (durable, only(plain).op) == ([], 2)
    durable, plain = lost_writes(keys_of(operations, held(DURABLE, None)))
    assert (only(durable).op, plain) == (1, [])


def test_a_lost_write_before_an_unknown_one() -> None:
    operations = [did(1, PLAIN), did(2, PLAIN), did(3, PLAIN, UNKNOWN)]
    _, plain = lost_writes(keys_of(operations, held(PLAIN, "a/3", "a/1", "a/2")))
    assert only(plain).op == 2


def test_a_key_that_no_node_has_any_more() -> None:
    _, plain = lost_writes(keys_of([did(1, PLAIN)]))
    assert "a, b, c hold nothing" in only(plain).text


def test_a_key_whose_delete_was_refused_has_to_be_there() -> None:
    _, plain = lost_writes(keys_of([did(1, GONE), did(2, GONE, FAILED, Do.DEL)], held(GONE, None)))
    assert only(plain).op == 1


@pytest.mark.parametrize("count", [None, "1", "4", "40"])
def test_a_wrong_counter(count: str | None) -> None:
    keys = keys_of(incremented(ACK, ACK, UNKNOWN, FAILED), held(COUNTER, "2", count, "3"))
    finding = only(wrong_counters(keys))
    assert finding.text == f"b has counted {count or 0}, where it must be 2 to 3"


@pytest.mark.parametrize(("is_durable", "place"), [(1, 0), (0, 1)])
def test_a_delete_that_came_back(is_durable: int, place: int) -> None:
    operations = [did(1, GONE), did(2, GONE, do=Do.DEL, durable=is_durable)]
    found = resurrected(keys_of(operations, held(GONE, None, "a/1", None)))
    assert only(found[place]).text == "b holds it after its delete"
    assert found[1 - place] == []


@pytest.mark.parametrize(
    ("operations", "states"),
    [
        ([did(1, PLAIN)], held(PLAIN, "a/1", "a/1", "a/7")),
        ([did(1, PLAIN), did(2, "storm:a:plain:2")], held(PLAIN, "a/1", "a/2", "a/1")),
        ([did(1, PLAIN), did(2, PLAIN, FAILED)], held(PLAIN, "a/1", "a/1", "a/2")),
        ([did(1, PLAIN)], held("storm:x:plain:1", "x/1")),
        ([did(1, PLAIN)], held("storm:x:counter:1", "1")),
        ([did(1, PLAIN)], held(PLAIN, "a/1", "", "a/1")),
        (incremented(ACK), held(COUNTER, "1", "x", "1")),
        ([did(1, BOTH, do=Do.SET_BOTH)], held(BOTH, "a/1", "b/1", "a/1")),
        ([did(1, PLAIN)], held(PLAIN, "a/1", kind="list")),
    ],
)
def test_what_nobody_wrote(operations: list[Operation], states: KeyStates) -> None:
    finding = only(never_written(keys_of(operations, states)))
    assert "which nobody set there" in finding.text


def test_what_nobody_wrote_is_no_lost_write_as_well() -> None:
    keys = keys_of([did(1, PLAIN)], held(PLAIN, "a/1", "nonsense", "a/1"))
    assert lost_writes(keys) == ([], [])


def test_a_key_that_does_not_expire() -> None:
    operations = [did(1, BRIEF, do=Do.EXPIRE, expires_ms=500)]
    finding = only(not_expired(keys_of(operations, held(BRIEF, None, "a/1", None)), BEGUN + 61 * S))
    assert finding.text == "b holds it 59.5 s after it was to expire"


def test_keys_in_which_nodes_differ() -> None:
    states = [held("same", "x"), held("value", "x", "y", "x"), held("presence", "x", "x", None)]
    assert [finding.key for finding in differing(states)] == ["value", "presence"]
    assert differing(states)[1].text == "a: 'x'; b: 'x'; c: nothing"


# Whatever a server that does what it says may leave behind

outcomes = st.sampled_from([ACK, ACK, FAILED, UNKNOWN])


@given(st.lists(outcomes, min_size=1, max_size=6), st.data())
def test_a_faithful_register_never_alarms_and_an_older_value_always_does(
    each: list[Outcome], data: st.DataObject
) -> None:
    # As a storm does it: nothing follows what may be done late.
    end = each.index(UNKNOWN) + 1 if UNKNOWN in each else len(each)
    operations = [did(op, DURABLE, outcome, durable=int(outcome is ACK)) for op, outcome in enumerate(each[:end], 1)]
    acknowledged = [each.value for each in operations if each.is_acknowledged]
    allowed: list[str | None] = [acknowledged[-1] if acknowledged else None]
    allowed += [each.value for each in operations[-1:] if each.outcome is UNKNOWN]
    keys = keys_of(operations, held(DURABLE, *(data.draw(st.sampled_from(allowed)) for _ in NODES)))
    assert all_findings(keys) == []
    if acknowledged:
        older = data.draw(st.sampled_from([None, *acknowledged[:-1]]))
        durable, plain = lost_writes(keys_of(operations, held(DURABLE, allowed[0], older, allowed[0])))
        assert (len(durable), plain) == (1, [])


@given(st.lists(outcomes, min_size=1, max_size=8), st.data())
def test_a_faithful_counter_never_alarms_and_another_count_always_does(
    each: list[Outcome], data: st.DataObject
) -> None:
    operations = incremented(*each)
    least, unknown = each.count(ACK), each.count(UNKNOWN)

    def right() -> str:
        return str(data.draw(st.integers(least, least + unknown)))

    assert wrong_counters(keys_of(operations, held(COUNTER, right(), right(), right()))) == []
    wrong = data.draw(st.integers(-3, least - 1) | st.integers(least + unknown + 1, 20))
    assert len(wrong_counters(keys_of(operations, held(COUNTER, right(), str(wrong), right())))) == 1
