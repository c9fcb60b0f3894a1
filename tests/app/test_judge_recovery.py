"""Who went down, for how long, and how long it took until all was well: with runs that are right, and wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from judge_harness import BEGUN, S, fault, sample
from keydb_observer.judge_accounts import uncounted
from keydb_observer.judge_records import (
    Accounts,
    Fault,
    ListenerAccount,
    Read,
    Sample,
    ServiceEvent,
    Write,
    WriterAccount,
)
from keydb_observer.judge_recovery import Expected, Times, bystander_crashes, longest_down, recoveries

UNIT = "keydb-server.service"


def a_fault(*arguments: Any, **changes: Any) -> Fault:
    return msgspec.convert(fault(*arguments, **changes), Fault)


def event(second: float, what: str, unit: str = UNIT) -> ServiceEvent:
    return ServiceEvent(BEGUN + int(second * S), unit, what, "status=6/ABRT" if what == "died" else "")


def samples(*downs: tuple[float, float], until: float = 60, **state: Any) -> list[Sample]:
    """Five a second, in which the node is not whole in these spans of seconds."""
    state = state or {"up": False}
    seconds = [tick / 5 for tick in range(int(until * 5))]
    return [
        msgspec.convert(sample(second, **(state if any(a <= second < b for a, b in downs) else {})), Sample)
        for second in seconds
    ]


def reads(listener: str, *seconds: float) -> list[Read]:
    return [Read(BEGUN + int(second * S), listener, 1, place) for place, second in enumerate(seconds, 1)]


def crashes(events: Sequence[ServiceEvent], host: str = "a") -> int:
    return len(bystander_crashes({host: events}, Expected([a_fault()]), BEGUN))


# Crashes


@pytest.mark.parametrize(
    "events",
    [
        [event(10, "died"), event(12, "started")],
        [event(9.5, "stopped"), event(12, "failed"), event(30, "started")],
        # By the clock of another host, and while it comes back.
        [event(9.2, "died"), event(11, "started"), event(15, "died"), event(17, "started")],
        # After a reboot, of which the fall was not kept: it has joined first.
        [event(50, "started")],
    ],
)
def test_who_is_meant_to_go_down_may(events: list[ServiceEvent]) -> None:
    assert crashes(events, host="b") == 0


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ([event(10, "died"), event(12, "started")], 1),
        ([event(10, "died"), event(11, "failed"), event(12, "started")], 1),
        ([event(10, "died"), event(11, "started"), event(12, "died"), event(13, "started")], 2),
        ([event(12, "started")], 1),
        ([event(40, "failed")], 1),
    ],
)
def test_a_bystander_that_goes_down_has_crashed(events: list[ServiceEvent], count: int) -> None:
    assert crashes(events, host="a") == count


def test_who_was_killed_may_not_start_for_the_second_time_long_after() -> None:
    found = bystander_crashes({"b": [event(54, "started")]}, Expected([a_fault()]), BEGUN)
    assert found[0].text == "the server started by itself"


def test_who_was_killed_may_not_crash_long_after() -> None:
    found = bystander_crashes({"b": [event(24, "died"), event(25, "started")]}, Expected([a_fault()]), BEGUN)
    assert found[0].text == "the server died by itself: status=6/ABRT"


def test_what_was_before_or_is_no_server_does_not_count() -> None:
    assert crashes([event(-5, "stopped"), event(-1, "started"), event(10, "died", unit="observer-writer.service")]) == 0


def test_a_fault_that_was_not_possible_excuses_nobody() -> None:
    expected = Expected([a_fault(outcome="not possible here: no kernel module")])
    assert len(bystander_crashes({"b": [event(11, "died")]}, expected, BEGUN)) == 1


# Being down


def test_a_node_that_is_meant_to_be_down_is_no_bystander() -> None:
    found = longest_down({"a": samples(), "b": samples((10, 20))}, Expected([a_fault()]))
    assert (found.longest_s, found.finding, found.gaps) == (0.0, None, [])


@pytest.mark.parametrize("state", [{"up": False}, {"loading": True}])
def test_the_longest_that_a_bystander_was_down(state: dict[str, Any]) -> None:
    found = longest_down({"a": samples((10, 12), (30, 37), **state)}, Expected([a_fault()]))
    assert found.longest_s == pytest.approx(7.0)
    assert found.finding
    assert (found.finding.host, found.finding.at_ns) == ("a", BEGUN + 30 * S)


def test_a_bystander_that_never_comes_back() -> None:
    assert longest_down({"a": samples((30, 60))}, Expected([])).longest_s == pytest.approx(29.8)


def test_a_time_without_samples_is_said() -> None:
    there = [*samples(until=10), *(each for each in samples(until=40) if each.at_ns >= BEGUN + 30 * S)]
    assert "nothing is known of it for 20.2 s" in longest_down({"a": there}, Expected([])).gaps[0].text
    assert longest_down({"b": there}, Expected([a_fault(10, 29)])).gaps == []


# Coming back


def test_how_long_it_took() -> None:
    found, never = recoveries(
        [a_fault()],
        {"a": samples(), "b": samples((10, 15.5))},
        {
            "a": reads("listener-sync", 1),
            "b": [*reads("listener-sync", 9, 15, 16.3), *reads("listener-async", 9, 15.7)],
        },
    )
    assert never == []
    assert found[0].links_up_s == pytest.approx(2.6)
    assert found[0].events_again_s == pytest.approx(0.7)


def test_links_that_are_down_are_waited_for() -> None:
    found, _ = recoveries([a_fault()], {"b": samples((10, 21), links_up=1)}, {})
    assert found[0].links_up_s == pytest.approx(8.0)
    assert found[0].events_again_s is None


def test_every_host_of_a_fault_is_waited_for() -> None:
    both = a_fault(hosts=["a", "b"])
    found, _ = recoveries([both], {"a": samples((10, 18)), "b": samples((10, 14))}, {})
    assert found[0].links_up_s == pytest.approx(5.0)


def test_a_fault_that_breaks_no_link_is_told_apart() -> None:
    found, _ = recoveries([a_fault()], {"b": samples((10, 14))}, {})
    assert found[0].broke
    found, _ = recoveries([a_fault(kind="listener_killed", expected_down=[])], {"b": samples((2, 4), (30, 31))}, {})
    assert (found[0].broke, found[0].links_up_s) == (False, 0.0)


def test_a_host_that_was_not_seen_was_away() -> None:
    there = [each for each in samples() if not BEGUN + 11 * S < each.at_ns < BEGUN + 18 * S]
    found, _ = recoveries([a_fault(kind="reboot")], {"b": there}, {})
    assert found[0].broke
    assert found[0].links_up_s == pytest.approx(5.0)


def test_what_never_came_back_is_said() -> None:
    found, never = recoveries([a_fault()], {"b": samples((10, 60))}, {})
    assert found == []
    assert never[0].text == "the links did not all come up again after fault 1 (kill on b)"
    _, never = recoveries([a_fault()], {"b": samples((10, 14))}, {"b": reads("listener-sync", 9)})
    assert never[0].text == "listener-sync on b read nothing more after fault 1 (kill on b)"


def test_times_of_many() -> None:
    assert Times.of([]) == Times(None, None, None)
    assert Times.of([float(n) for n in range(1, 11)]) == Times(5.5, 9.0, 10.0)
    assert Times.of([3.0]) == Times(3.0, 3.0, 3.0)


# Accounts


def accounts(*listeners: ListenerAccount, written: Sequence[int] = (100, 50)) -> dict[str, Accounts]:
    writers = [WriterAccount(epoch, count) for epoch, count in enumerate(written, 1)]
    return {"a": Accounts(writers=writers), "b": Accounts(listeners=list(listeners))}


def a_listener(read: int, superseded: int = 0, missed: int = 0, **span: Any) -> ListenerAccount:
    span = span or {"first": Write(1, 11), "last": Write(2, 20)}
    return ListenerAccount("listener-sync", read, superseded, missed, **span)


def test_a_listener_that_accounts_for_all() -> None:
    # 90 of the first epoch, and 20 of the second.
    assert uncounted(accounts(a_listener(100, 4, 6)), {}) == (0, [], [])
    assert uncounted(accounts(a_listener(0, first=None)), {}) == (0, [], [])


@pytest.mark.parametrize("counts", [(100, 4, 5), (99, 4, 6), (109, 0, 0)])
def test_a_listener_that_has_lost_count(counts: tuple[int, int, int]) -> None:
    total, found, unknown = uncounted(accounts(a_listener(*counts)), {})
    assert (total, unknown) == (1, [])
    assert "accounts for 109 of 110 writes" in found[0].text


def test_each_process_counts_for_itself() -> None:
    one = a_listener(10, first=Write(1, 1), last=Write(1, 10))
    other = a_listener(5, first=Write(1, 21), last=Write(1, 30))
    assert uncounted(accounts(one, other), {})[0] == 5


def test_what_it_read_first_and_last_may_be_looked_up() -> None:
    its = [Read(BEGUN + second * S, "listener-sync", 1, second) for second in (5, 6, 7, 9, 8, 20)]
    account = a_listener(5, began_ns=BEGUN + 4 * S, ended_ns=BEGUN + 10 * S)
    assert uncounted(accounts(account), {"b": its}) == (0, [], [])
    short = a_listener(4, began_ns=BEGUN + 4 * S, ended_ns=BEGUN + 10 * S)
    assert uncounted(accounts(short), {"b": its})[0] == 1


def test_what_cannot_be_judged_is_said() -> None:
    _, _, unknown = uncounted(accounts(a_listener(5, began_ns=1)), {})
    assert unknown[0].text == "it is not known what listener-sync read first and last"
    _, _, unknown = uncounted(accounts(a_listener(5, first=Write(9, 1), last=Write(9, 5))), {})
    assert unknown[0].text == "listener-sync has read an epoch that no writer tells of"
