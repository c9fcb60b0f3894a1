"""The observers, by what they log: text and journald fields say the same, and nothing is left out."""

from __future__ import annotations

import itertools
import re
from typing import Any

import on_node_services
import pytest
from nodes_cluster import LISTENERS, OBSERVERS, Cluster, Node
from nodes_journal import ANSWERED, NS, READ, WROTE, fields_of, nanoseconds

testinfra_hosts = ["ansible://keydb_nodes"]

LINES = 4
NS_PER_MILLISECOND = 1_000_000
# The nodes share a clock, and a network on one machine.
CLOCK_ERROR_AT_MOST_NS = 50 * NS_PER_MILLISECOND


def assert_same_clock_error(match: re.Match[str], fields: dict[str, Any]) -> None:
    """The text says what the field says; what nobody knows is not zero."""
    if fields["CLOCK_ERROR_NS"] == "unknown":
        assert match["clock_error"] == "unknown"
    else:
        told = nanoseconds(match["clock_error"].removesuffix(" seconds"))
        assert abs(told - fields["CLOCK_ERROR_NS"]) <= 500


def lines_of(
    cluster: Cluster, unit: str, pattern: re.Pattern[str], lines: int = LINES
) -> list[tuple[re.Match[str], dict[str, Any]]]:
    """The last lines that match, and their fields; waits for as many to be there."""
    (node,) = cluster.with_observer(unit)
    wait = (lines + 1) * cluster.interval + 10
    entries = node.ask(
        on_node_services.wait_for_lines, timeout=wait + 30, unit=unit, pattern=pattern.pattern, lines=lines, wait=wait
    )
    matched = [(pattern.fullmatch(entry["MESSAGE"]), entry) for entry in entries]
    found = [(match, entry) for match, entry in matched if match]
    assert len(found) >= lines, "\n".join(entry["MESSAGE"] for entry in entries[-20:])
    return found[-lines:]


@pytest.mark.parametrize("unit", LISTENERS)
def test_a_listeners_line_and_fields_say_the_same(cluster: Cluster, unit: str) -> None:
    (writer,) = cluster.with_observer("observer-writer")
    for match, entry in lines_of(cluster, unit, READ):
        fields = fields_of(entry)
        assert entry["_SYSTEMD_UNIT"] == f"{unit}.service"
        assert entry["SYSLOG_IDENTIFIER"] == unit
        assert match["listener"] == fields["LISTENER"] == unit.removeprefix("observer-")
        assert match["key"] == fields["KEY"] == cluster.key
        assert int(match["seq"]) == fields["SEQ"]
        assert nanoseconds(match["t1"]) == fields["T1_NS"]
        assert fields["WRITER"] == writer.name
        assert fields["EPOCH"] < fields["T1_NS"]
        assert fields["DIFFERENCE_NS"] == fields["T2_NS"] - fields["T1_NS"]
        assert abs(nanoseconds(match["difference"]) - fields["DIFFERENCE_NS"]) <= 500
        assert abs(nanoseconds(match["value_difference"]) - fields["VALUE_DIFFERENCE_NS"]) <= 500
        # The nodes under test share one clock, so that a difference is a delay, and it is one of a network.
        assert 0 < fields["DIFFERENCE_NS"] < fields["VALUE_DIFFERENCE_NS"] < 5 * NS
        assert_same_clock_error(match, fields)
        error = fields["CLOCK_ERROR_NS"]
        assert fields["WITHIN_CLOCK_ERROR"] == int(error != "unknown" and fields["DIFFERENCE_NS"] < error)
    # Right after the start it may not be known yet. Then it is chronyd's, of both hosts.
    assert 0 < error < CLOCK_ERROR_AT_MOST_NS


@pytest.mark.parametrize("unit", LISTENERS)
def test_a_listener_sees_every_write_once(cluster: Cluster, unit: str) -> None:
    fields = [fields_of(entry) for _, entry in lines_of(cluster, unit, READ)]
    latest = [each["SEQ"] for each in fields if each["EPOCH"] == fields[-1]["EPOCH"]]
    assert latest == list(range(latest[-1] - len(latest) + 1, latest[-1] + 1))
    # A writer that was started anew a moment ago does not count for fewer than two.
    assert len(latest) >= 2 or latest == [1]


def test_the_writer_keeps_its_pace(cluster: Cluster) -> None:
    lines = lines_of(cluster, "observer-writer", WROTE)
    for match, entry in lines:
        fields = fields_of(entry)
        assert match["key"] == fields["KEY"] == cluster.key
        assert int(match["seq"]) == fields["SEQ"]
        assert nanoseconds(match["t1"]) == fields["T1_NS"]
    written = [fields_of(entry) for _, entry in lines]
    for earlier, later in itertools.pairwise(written):
        assert later["SEQ"] == earlier["SEQ"] + 1
        assert (later["T1_NS"] - earlier["T1_NS"]) / NS == pytest.approx(cluster.interval, abs=2)


def test_the_writer_sees_both_listeners_answer_every_write(cluster: Cluster) -> None:
    hosts = {unit.removeprefix("observer-"): cluster.with_observer(unit)[0].name for unit in LISTENERS}
    answered: dict[str, list[int]] = {listener: [] for listener in hosts}
    for match, entry in lines_of(cluster, "observer-writer", ANSWERED, lines=2 * LINES):
        fields = fields_of(entry)
        assert match["listener"] == fields["LISTENER"]
        assert match["host"] == fields["HOST"] == hosts[match["listener"]]
        assert int(match["seq"]) == fields["SEQ"]
        # Both parts are taken on monotonic clocks, and here the clocks of the day agree with them.
        by_time_of_day = (fields["T4_NS"] - fields["T1_NS"]) - (fields["T3_NS"] - fields["T2_NS"])
        assert fields["ROUND_TRIP_NS"] == pytest.approx(by_time_of_day, abs=NS_PER_MILLISECOND)
        assert fields["HELD_NS"] == pytest.approx(fields["T3_NS"] - fields["T2_NS"], abs=NS_PER_MILLISECOND)
        assert_same_clock_error(match, fields)
        assert fields["OFFSET_NS"] == ((fields["T2_NS"] - fields["T1_NS"]) + (fields["T3_NS"] - fields["T4_NS"])) // 2
        assert abs(nanoseconds(match["round_trip"]) - fields["ROUND_TRIP_NS"]) <= 500
        assert 0 < fields["ROUND_TRIP_NS"] < 5 * NS
        answered[match["listener"]].append(fields["SEQ"])
    # The last one may still be on its way from one of them, and the first one cut off.
    common = set(answered["listener-sync"]) & set(answered["listener-async"])
    assert len(common) >= LINES - 1
    for sequence in answered.values():
        assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))


def test_every_line_has_its_identifier(cluster: Cluster) -> None:
    for unit in OBSERVERS:
        (node,) = cluster.with_observer(unit)
        entries = [
            e for e in node.ask(on_node_services.journal_of, unit=unit) if e["_SYSTEMD_UNIT"] == f"{unit}.service"
        ]
        assert entries
        assert {entry["SYSLOG_IDENTIFIER"] for entry in entries} == {unit}


def test_nothing_but_what_was_expected_is_in_their_journal(node: Node) -> None:
    """No traceback, no error from the service manager about a unit that runs, and no trouble that has no name."""
    for unit in node.observers:
        entries = node.ask(on_node_services.journal_of, unit=unit)
        assert [entry["MESSAGE"] for entry in entries if "Traceback" in entry["MESSAGE"]] == []
        assert [entry["MESSAGE"] for entry in entries if int(entry.get("PRIORITY", 6)) <= 3] == []
        assert [entry["MESSAGE"] for entry in entries if entry.get("OBSERVER_TROUBLE") == "unexpected"] == []
