"""What a storm chooses to do, and the history that it keeps of it."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.history import RUN, Do, History, Operation, Outcome, Recorded
from keydb_observer.storm_keys import KeyKind, host_of, kind_of, storm_key
from keydb_observer.storm_plan import Lane, Plan, Step, command_of
from keydb_observer.storm_settings import StormSettings

OUTCOMES = (Outcome.ACKNOWLEDGED, Outcome.ACKNOWLEDGED, Outcome.ACKNOWLEDGED, Outcome.FAILED, Outcome.UNKNOWN)
REGISTERS = (KeyKind.PLAIN, KeyKind.DURABLE)


def dice() -> random.Random:
    return random.Random(1)  # noqa: S311 - it is to be repeatable


def a_plan(first_op: int = 1, seed: int = 0, **changes: int) -> Plan:
    return Plan(StormSettings(Path("history"), seed=seed, **changes), "node1", first_op)


def settle(operation: Operation, outcome: Outcome) -> Operation:
    return msgspec.structs.replace(operation, outcome=outcome)


def storm(plan: Plan, count: int, most_under_way: int, choose: random.Random) -> list[Operation]:
    """So many operations, each with an outcome, some of which stay under way for a while."""
    done: list[Operation] = []
    under_way: list[Operation] = []
    for _ in range(count):
        operation = plan.operation(plan.step(), 1)
        if operation:
            busy = {each.key for each in under_way}
            if kind_of(operation.key) not in (KeyKind.COUNTER, KeyKind.BOTH):
                assert operation.key not in busy
            under_way.append(operation)
        while len(under_way) > most_under_way:
            settled = settle(under_way.pop(choose.randrange(len(under_way))), choose.choice(OUTCOMES))
            plan.settled(settled)
            done.append(settled)
    return sorted([*done, *under_way], key=lambda operation: operation.op)


@given(st.randoms(use_true_random=False), st.integers(1, 200), st.integers(0, 8), st.integers(0, 2))
def test_a_history_can_be_judged(choose: random.Random, keys: int, most_under_way: int, durable: int) -> None:
    operations = storm(a_plan(keys=keys, durable=durable), 600, most_under_way, choose)
    assert [operation.op for operation in operations] == list(range(1, len(operations) + 1))
    of_key: dict[str, list[Operation]] = {}
    for operation in operations:
        of_key.setdefault(operation.key, []).append(operation)
        assert operation.value in ("", f"node1/{operation.op}")
        assert (operation.value == "") == (operation.do in (Do.INCR, Do.DEL))
    for key, some in of_key.items():
        kind = kind_of(key)
        if kind in REGISTERS:
            assert Outcome.UNKNOWN not in [each.outcome for each in some[:-1]], "nothing follows what may be done late"
        if kind is KeyKind.GONE:
            assert [each.do for each in some] in ([Do.SET], [Do.SET, Do.DEL])
            assert len(some) == 1 or some[0].is_acknowledged
        if kind is KeyKind.BRIEF:
            assert [each.do for each in some] == [Do.EXPIRE]
            assert some[0].expires_ms > 0
    assert (KeyKind.DURABLE in map(kind_of, of_key)) == bool(durable)


def test_there_is_something_of_everything_and_most_keys_are_set_once() -> None:
    operations = storm(a_plan(), 20_000, 4, dice())
    shares = Counter(kind_of(operation.key) for operation in operations)
    assert shares.keys() == set(KeyKind)
    assert min(shares.values()) > 1500
    assert Counter(operation.do for operation in operations)[Do.DEL] > 500
    plain = Counter(operation.key for operation in operations if kind_of(operation.key) is KeyKind.PLAIN)
    assert Counter(plain.values())[1] > len(plain) / 2
    assert any(count > 1 for count in plain.values())


def test_there_are_no_more_keys_than_was_said() -> None:
    plan = a_plan(keys=10, hot_keys=3)
    for _ in range(2000):
        operation = plan.operation(plan.step(), 1)
        assert operation
        plan.settled(settle(operation, Outcome.ACKNOWLEDGED))
        assert kind_of(operation.key)
    operations = storm(a_plan(keys=10, hot_keys=3), 2000, 0, dice())
    keys = {operation.key for operation in operations if operation.outcome is not Outcome.UNKNOWN}
    counts = Counter(map(kind_of, keys))
    assert (counts[KeyKind.COUNTER], counts[KeyKind.BOTH]) == (3, 3)


def test_all_keys_out_means_to_wait() -> None:
    plan = a_plan(keys=2)
    step = Step(KeyKind.PLAIN)
    assert plan.operation(step, 1)
    second = plan.operation(step, 1)
    assert second
    assert plan.operation(step, 1) is None
    plan.settled(settle(second, Outcome.ACKNOWLEDGED))
    again = plan.operation(step, 1)
    assert again
    assert (again.key, again.op) == (second.key, 3)


def test_a_later_process_has_keys_of_its_own() -> None:
    one = {operation.key for operation in storm(a_plan(), 3000, 2, dice())}
    other = {operation.key for operation in storm(a_plan(RUN), 3000, 2, dice())}
    assert {kind_of(key) for key in one & other} == {KeyKind.BOTH}


def test_the_seed_decides() -> None:
    def steps(seed: int) -> list[str]:
        return [operation.key for operation in storm(a_plan(seed=seed), 100, 0, dice())]

    assert steps(1) == steps(1) != steps(2)


def test_what_waits_for_replicas() -> None:
    plan, other = a_plan(durable=2), a_plan(durable=0)
    lanes = {kind: plan.lane(Step(kind)) for kind in KeyKind}
    assert [kind for kind, lane in lanes.items() if lane is Lane.DURABLE] == [KeyKind.DURABLE]
    assert plan.lane(Step(KeyKind.GONE, deletes=True)) is Lane.DURABLE
    assert other.lane(Step(KeyKind.GONE, deletes=True)) is Lane.PLAIN


def test_commands() -> None:
    def command(do: Do, **more: int) -> tuple[object, ...]:
        return command_of(Operation(1, do, "k", "v", 0, 1, 0, Outcome.UNKNOWN, "", **more))

    assert command(Do.SET) == command(Do.SET_BOTH) == ("SET", "k", "v")
    assert command(Do.EXPIRE, expires_ms=300) == ("SET", "k", "v", "PX", 300)
    assert (command(Do.INCR), command(Do.DEL)) == (("INCR", "k"), ("DEL", "k"))


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_tells_its_kind(kind: KeyKind) -> None:
    assert kind_of(storm_key("both", kind, 7)) is kind


def test_what_is_no_key_of_a_storm() -> None:
    keys = ("storm:a:other:1", "storm:a:plain", "load:a:plain:1", "storm:both:1:2", "storm:a:plain:1:2", "storm:both")
    assert [kind_of(key) for key in keys] == [None] * len(keys)
    assert (host_of("a/12"), host_of("x")) == ("a", "x")


# The history


def an_operation(op: int, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Operation:
    return Operation(op, Do.SET, f"storm:a:plain:{op}", f"a/{op}", 0, 1, 2, outcome, "")


def test_it_goes_on_after_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "history"
    first = History(path)
    assert first.first_op == 1
    for op in (1, 3, 2):
        assert first.add(an_operation(op))
    first.close()
    # What a kill leaves.
    with path.open("ab") as file:
        file.write(b'{"op":4,"do":')
    second = History(path)
    assert second.first_op == RUN
    assert second.add(an_operation(RUN + 5))
    second.close()
    assert History(path).first_op == 2 * RUN
    recorded = Recorded.read(path)
    assert [operation.op for operation in recorded.operations] == [1, 2, 3, RUN + 5]
    assert (recorded.broken, recorded.processes) == (1, 2)


def test_a_long_history_is_not_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = History(path)
    for op in range(1, 3000):
        history.add(an_operation(op))
    history.add(an_operation(RUN * 2 + 7))
    history.close()
    assert History(path).first_op == RUN * 3


def test_the_line_as_it_is_agreed(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    history.add(Operation(17, Do.SET, "storm:node1:plain:12", "node1/17", 1, 5, 6, Outcome.ACKNOWLEDGED, ""))
    history.close()
    assert (tmp_path / "history").read_text() == (
        '{"op":17,"do":"set","key":"storm:node1:plain:12","value":"node1/17","durable":1,"sent_ns":5,"done_ns":6,'
        '"outcome":"acknowledged","why":""}\n'
    )


def test_what_a_full_disk_does_not_take_waits_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history"
    history = History(path)
    really_write = os.write
    room = 100

    def write_what_fits(file: int, data: bytes) -> int:
        nonlocal room
        fits = min(room, len(data))
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= fits
        return really_write(file, bytes(data[:fits]))

    monkeypatch.setattr(os, "write", write_what_fits)
    assert not history.add(an_operation(1))
    assert not history.add(an_operation(2))
    assert history.error
    assert history.error.strerror == "No space left on device"
    assert path.stat().st_size == 100
    room = 10_000
    assert history.flush()
    assert history.error is None
    assert history.add(an_operation(3))
    recorded = Recorded.read(path)
    assert ([operation.op for operation in recorded.operations], recorded.broken) == ([1, 2, 3], 0)
