"""Variables become visits: each axis for itself, around the first value of every other one."""

from __future__ import annotations

from typing import Any

import pytest
from bench_plan import FIFO, Settings, described, estimated_s, points, rotated, visits, works


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "engines": ["keydb", "valkey", "redis"],
        "cluster_engine": "keydb",
        "varied": ["keydb"],
        "server": "node1",
        "client": "node2",
        "nodes": [1, 2, 3],
    }
    return Settings.of(given | changes)


@pytest.mark.parametrize(
    ("axes", "differing"),
    [
        ({}, []),
        ({"tls": [True, False]}, ["keydb, 1 thread, no TLS"]),
        ({"tls": [False, True]}, ["keydb, 1 thread"]),
        ({"authentication": [True, False]}, ["keydb, 1 thread, no authentication"]),
        ({"persistence": [True, False], "threads": [1, 2, 4]}, [
            "keydb, 1 thread, no persistence", "keydb, 2 threads", "keydb, 4 threads",
        ]),
    ],
)  # fmt: skip
def test_axes_are_varied_one_at_a_time_and_only_where_asked_for(axes: dict[str, Any], differing: list[str]) -> None:
    found = [visit for visit in visits(settings(**axes)) if visit.variant.engine == "keydb"]
    assert [str(visit.variant) for visit in found[1:]] == differing
    assert len(visits(settings(**axes))) == 3 + len(differing)


def test_the_tool_is_used_in_every_shape_at_the_base_only() -> None:
    given = settings(sizes=[64, 1024], pipelines=[1, 16, 64], connections=[50, 1], tls=[True, False])
    base, without_tls = visits(given)[:2]
    shapes = {(work.size, work.pipeline, work.connections) for work in base.works}
    assert shapes == {(64, 1, 50), (1024, 1, 50), (64, 16, 50), (64, 64, 50), (64, 1, 1)}
    assert len(base.works) == 2 * len(shapes)
    assert without_tls.works == works(given, is_base=False)
    assert {(work.size, work.pipeline, work.connections) for work in without_tls.works} == {(64, 1, 50)}


def test_the_tail_is_measured_where_it_may_differ() -> None:
    given = settings(threads=[1, 2], tls=[True, False])
    tails = {str(visit.variant): visit.has_tail for visit in visits(given, fifo=["keydb"])}
    assert tails == {
        "keydb, 1 thread": True,
        "keydb, 1 thread, real-time": True,
        "keydb, 1 thread, no TLS": False,
        "keydb, 2 threads": True,
        "valkey, 1 thread": True,
        "redis, 1 thread": True,
    }


@pytest.mark.parametrize(
    ("parts", "has_works", "has_tail"),
    [(["throughput"], True, False), (["tail"], False, True), (["throughput", "tail"], True, True)],
)
def test_parts_are_left_out(parts: list[str], has_works: bool, has_tail: bool) -> None:
    found = visits(settings(parts=parts, tls=[True, False]))
    assert any(visit.works for visit in found) is has_works
    assert any(visit.has_tail for visit in found) is has_tail
    assert all(visit.works or visit.has_tail for visit in found)
    assert visits(settings(parts=["scale"])) == []


def test_rounds_begin_with_different_visits_and_leave_none_out() -> None:
    found = visits(settings(tls=[True, False], persistence=[True, False]))
    rounds = [rotated(found, number, seed=1) for number in range(3)]
    assert len({str(each[0].variant) for each in rounds}) == 3
    assert all(sorted(map(str, each)) == sorted(map(str, found)) for each in rounds)
    assert rotated([], 1, seed=1) == []


@pytest.mark.parametrize(
    ("everywhere", "expected"),
    [
        (True, [(1, "one"), (2, "one"), (2, "all"), (3, "one"), (3, "all")]),
        (False, [(1, "one"), (2, "one"), (3, "one")]),
    ],
)
def test_only_where_all_nodes_take_writes_are_all_written_to(everywhere: bool, expected: list[tuple[int, str]]) -> None:
    assert points(settings(nodes=[3, 1, 2]), everywhere) == expected


def test_more_takes_longer() -> None:
    short = estimated_s(settings(), takes_writes_everywhere=True)
    for more in ({"rounds": 4}, {"tls": [True, False]}, {"sizes": [64, 1024]}, {"nodes": [1, 2, 3, 4]}):
        assert estimated_s(settings(**more), takes_writes_everywhere=True) > short
    assert estimated_s(settings(), True, [FIFO]) >= short
    assert estimated_s(settings(parts=["tail"]), takes_writes_everywhere=True) < short


def test_the_plan_can_be_read() -> None:
    text = described(settings(tls=[True, False]), takes_writes_everywhere=True)
    for said in ("3 rounds", "keydb, 1 thread, no TLS: set 64 B x1 c50", "3 nodes, written to all", "clients on node2"):
        assert said in text
