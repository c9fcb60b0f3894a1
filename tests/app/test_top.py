"""What ``top`` makes of its looks, and how it shows it in any width: tables from frames, without a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from keydb_observer.messages import Counts, Distribution, Handshake, Report, SharedValue, WokenBy
from keydb_observer.node_facts import Counters, Link, NodeFacts
from keydb_observer.nodes import Node
from keydb_observer.resolution import WrongOptionError, resolve, resolve_top
from keydb_observer.status import Answer, put_together
from keydb_observer.top_frame import Frame, NodeFrame, Silence
from keydb_observer.top_rates import NodeRates, Pace, node_rates
from keydb_observer.top_table import Kind, lines_of
from keydb_observer.top_watch import Clock, NodeWatch

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
COUNTERS = Counters("run", 1_000, 5_000, 50_000, 7, 1_340_000)
RATES = NodeRates(1234.4, 999_499, 999_500)
SILENCE = Silence(NOW - 5 * SECOND, 5 * SECOND, "it refuses connections: nothing listens there")


def answer(number: int, *, up: int = 1) -> Answer:
    links = tuple(Link(f"10.77.0.{peer}:6379", peer <= up) for peer in (1, 2))
    facts = NodeFacts("active replica", "KeyDB", "6.3.4", False, links, 1)
    value = SharedValue("node1", 1, 42, NOW - 3 * SECOND, error_ns=38_000)
    times_ns = (NOW - SECOND, NOW - SECOND + 620_000, NOW)
    heard = Handshake("listener-sync", "node2", "shared_key", "node1", 1, 41, *times_ns, 0, WokenBy.EVENT)
    minute = Distribution(6, 498_000, 499_000, 9_996_000, 9_996_000, 123_456_000)
    counts = Counts(events=9, read=5, superseded=4, missed=2)
    report = Report("listener-sync", "node2", "node\x1b[2J", NOW, counts, minute, minute, 0, 0, None)
    return Answer(Node(f"node{number}", f"10.77.0.{number}", 6379), facts, value, (heard,), (report,))


def frame(*nodes: NodeFrame, up: int = 2) -> Frame:
    answers = [answer(number, up=up) for number in range(1, len(nodes) + 1)]
    status = put_together(answers, NOW)
    who = ("node2", "listener-sync")
    return Frame(NOW, 1.0, status, nodes, {who: answers[0].handshakes[0]}, 10.0, {who: 9.94})


WELL = NodeFrame(RATES, COUNTERS)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.localtime", __import__("time").gmtime)


def text(shown: Frame, width: int, height: int | None = None) -> list[str]:
    return [line.text for line in lines_of(shown, width, height, is_live=True)]


def test_everything_where_there_is_room() -> None:
    assert text(frame(WELL, NodeFrame(silence=SILENCE)), 200) == [
        "keydb-observer top  1 of 2 nodes well  08:00:00  every 1 s  q ends",
        "NODE   ROLE            ENGINE       LINKS  OPS/S    IN/S   OUT/S  CLIENTS  MEMORY",
        "node1  active replica  KeyDB 6.3.4  2/1     1234  999 kB  1.0 MB        7  1.3 MB",
        "node2  no answer since 07:59:55, 5.0 s: it refuses connections: nothing listens there",
        "",
        "OBSERVER       HOST   FOLLOWS   RATE/S   P50    P99  MAX  CLOCK  MISSED  SUPERSEDED  LAST SEQ  TOOK    AGO",
        "writer         node1  -           10.0     -      -    -   0.04       -           -        42     -  3.0 s",
        "listener-sync  node2  node?[2J     9.9  0.50  10.00  123      -       2           4        41  0.62  0.0 s",
        "RATE/S: writes or events; P50 to TOOK: ms, write to event",
    ]


def test_what_matters_stays_where_there_is_little() -> None:
    assert text(frame(WELL, NodeFrame(silence=SILENCE)), 60) == [
        "keydb-observer top  1 of 2 nodes well  08:00:00  every 1 s",
        "NODE   ROLE            LINKS  OPS/S    IN/S   OUT/S  MEMORY",
        "node1  active replica  2/1     1234  999 kB  1.0 MB  1.3 MB",
        "node2  no answer since 07:59:55, 5.0 s: it refuses connecti…",
        "",
        "OBSERVER       HOST   RATE/S   P50    P99  MISSED    AGO",
        "writer         node1    10.0     -      -       -  3.0 s",
        "listener-sync  node2     9.9  0.50  10.00       2  0.0 s",
        "RATE/S: writes or events; P50 to TOOK: ms, write to event",
    ]


@pytest.mark.parametrize("width", range(1, 130))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = text(frame(WELL, NodeFrame(silence=SILENCE)), width)
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("height", range(1, 12))
def test_no_more_lines_than_the_terminal_has(height: int) -> None:
    shown, whole = text(frame(WELL, WELL), 80, height), text(frame(WELL, WELL), 80)
    assert len(shown) == min(height, len(whole))
    if height < len(whole):
        assert shown[-1] == f"… {len(whole) - height + 1} more lines: a taller terminal shows them"
        assert shown[:-1] == whole[: height - 1]


def test_long_names_lose_their_middle_before_a_column_that_matters_goes() -> None:
    shown = frame(WELL)
    (status,) = shown.status.nodes
    long = replace(status, node=replace(status.node, name=f"node-{'n' * 60}-last"))
    lines = text(replace(shown, status=replace(shown.status, nodes=(long,))), 60)
    assert lines[2].startswith("node-n")
    assert "…" in lines[2]
    assert lines[2].split()[1:3] == ["2/1", "1234"]


@pytest.mark.parametrize(
    ("node", "up", "kind", "says"),
    [
        (WELL, 2, Kind.PLAIN, "2/1"),
        (WELL, 0, Kind.WARNING, "0/1"),
        (NodeFrame(silence=SILENCE), 2, Kind.TROUBLE, "no answer since 07:59:55, 5.0 s: it refuses"),
        (NodeFrame(silence=replace(SILENCE, why=None)), 2, Kind.TROUBLE, "no answer since 07:59:55, 5.0 s"),
        (NodeFrame(), 2, Kind.PLAIN, "connecting"),
        (NodeFrame(None, COUNTERS), 2, Kind.PLAIN, "-     -      -        7"),
    ],
)
def test_how_a_node_is(node: NodeFrame, up: int, kind: Kind, says: str) -> None:
    row = lines_of(frame(node, up=up), 120)[2]
    assert row.kind is kind
    assert says in row.text


@pytest.mark.parametrize(
    ("second", "elapsed_s", "expected"),
    [
        (Counters("run", 1_110, 6_000, 54_000, 7, 0), 2, NodeRates(50.0, 500.0, 2_000.0)),
        (Counters("run", 1_010, 5_000, 50_000, 7, 0), 1, NodeRates(0.0, 0.0, 0.0)),
        (Counters("run", 0, 0, 0, 7, 0), 1, NodeRates(0.0, 0.0, 0.0)),
        (Counters("another", 9_000, 9_000, 99_000, 7, 0), 1, None),
        (None, 1, None),
    ],
    ids=["differences", "only our own looks", "counters were reset", "started anew", "untold"],
)
def test_rates_are_differences_of_counters(second: Counters | None, elapsed_s: int, expected: NodeRates | None) -> None:
    before = replace(answer(1), counters=COUNTERS, asked=10)
    assert node_rates(before, replace(before, counters=second), elapsed_s * SECOND) == expected


@pytest.mark.parametrize(
    ("taken", "asked_s", "rate"),
    [
        ([(1, 0)], 0, None),
        ([(1, 0), (11, 1)], 1, 10.0),
        ([(1, 0), (2, 10)], 10, 0.1),
        ([(1, 0), (2, 10)], 39, 0.1),
        ([(1, 0), (2, 10)], 41, 0.0),
        ([(1, 0), (1, 0), (1, 0)], 5, None),
        ([(100, 0), (110, 1), (3, 2)], 2, None),
    ],
)
def test_pace_of_what_comes_seldom(taken: list[tuple[int, int]], asked_s: int, rate: float | None) -> None:
    pace = Pace()
    for count, sent_s in taken:
        pace.take(count, NOW + sent_s * SECOND, "era", sent_s * SECOND)
    assert pace.rate(asked_s * SECOND) == rate


@dataclass
class Hand:
    """A clock that is moved by hand."""

    at_ns: int = 0

    def clock(self) -> Clock:
        return Clock(now_ns=lambda: NOW + self.at_ns, passed_ns=lambda: self.at_ns)


def test_a_node_that_falls_silent_and_comes_back() -> None:
    hand = Hand()
    node = NodeWatch(answer(1).node, resolve("top", {}, {}), 1.0, hand.clock(), lambda: None)
    assert node.frame() == NodeFrame()
    hand.at_ns = 2 * SECOND
    node.answered(replace(answer(1), counters=COUNTERS, asked=1))
    assert node.frame() == NodeFrame(None, COUNTERS)
    hand.at_ns = 3 * SECOND
    node.answered(replace(answer(1), counters=replace(COUNTERS, commands=1_101), asked=1))
    assert node.frame().rates == NodeRates(100.0, 0.0, 0.0)

    hand.at_ns = 5 * SECOND
    assert node.frame().silence is None, "it may still answer"
    hand.at_ns = 6 * SECOND
    assert node.frame().silence == Silence(NOW + 3 * SECOND, 3 * SECOND, None)
    node.failed("it does not answer")
    hand.at_ns = 9 * SECOND
    assert node.frame().silence == Silence(NOW + 3 * SECOND, 6 * SECOND, "it does not answer")
    assert node.answer.value, "what it has said of the observers still holds"

    hand.at_ns = 10 * SECOND
    node.answered(replace(answer(1), counters=COUNTERS, asked=1))
    assert node.frame() == NodeFrame(None, COUNTERS), "a difference over the silence is no rate of now"


def test_an_interval_of_the_writer_is_not_ours() -> None:
    assert resolve_top({}, {"KEYDB_OBSERVER_INTERVAL": "30"})[1].interval == 1.0
    assert resolve_top({"interval": "0.5"}, {"KEYDB_OBSERVER_INTERVAL": "30"})[1].interval == 0.5
    with pytest.raises(WrongOptionError, match=r"--interval: 0\.01 given: it is out of range; allowed: for top"):
        resolve_top({"interval": "0.01"}, {})
