"""Which faults come: they follow from the seed, are spread evenly, and leave most nodes there."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from faults import faults_kinds, faults_schedule
from faults_fakes import cluster_of
from keydb_faults.kinds import KINDS, chosen
from keydb_faults.kinds.kind import Kind, Part
from keydb_faults.kinds.two import Two
from keydb_faults.schedule import Fault, faults

SIZES = (2, 3, 4, 5, 9)
SPECS = Path(__file__).resolve().parents[2] / "roles" / "faults" / "meta" / "argument_specs.yml"

FIRST_OF_SEED_7 = [
    ("cut_out", ["node3"]),
    ("restart", ["node1"]),
    ("out_of_memory", ["node3"]),
    ("stop", ["node1"]),
    ("slow", ["node1"]),
    ("cut_pair", ["node1"]),
    ("kill", ["node1"]),
    ("disk_full", ["node2"]),
]


def drawn(count: int, seed: int = 7, size: int = 3, kinds: Sequence[Kind] = ()) -> list[Fault]:
    return list(itertools.islice(faults(seed, kinds or chosen([]), cluster_of(size)), count))


def test_the_same_seed_gives_the_same_faults() -> None:
    assert drawn(300) == drawn(300)
    assert drawn(300)[:20] == drawn(20)
    assert drawn(300) != drawn(300, seed=8)


def test_a_schedule_is_the_same_wherever_and_whenever_it_is_drawn() -> None:
    """Of a run that somebody reports nothing but its seed is needed, also years later."""
    assert [(fault.kind, fault.hosts) for fault in drawn(8)] == FIRST_OF_SEED_7


def test_kinds_are_spread_evenly() -> None:
    counts = Counter(fault.kind for fault in drawn(310))
    assert set(counts) == set(KINDS)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_hosts_are_all_hit() -> None:
    counts = Counter(host for fault in drawn(400) if len(fault.hosts) == 1 for host in fault.hosts)
    assert min(counts.values()) > 50


def test_numbers_go_on_by_one() -> None:
    assert [fault.number for fault in drawn(50)] == list(range(1, 51))


@pytest.mark.parametrize("size", SIZES)
def test_most_nodes_are_left(size: int) -> None:
    cluster = cluster_of(size)
    for fault in drawn(400, size=size):
        down = fault.expected_down(KINDS)
        # One of two is not most of them, and there is no smaller fault.
        assert len(down) <= max(cluster.minority, 1), fault
        away = {part.host for part in fault.parts if KINDS[part.kind].cuts_off} | set(down)
        if fault.kind != "cut_ring":
            assert len(away) <= max(cluster.minority, 1), fault


def test_two_are_two_kinds_on_two_hosts() -> None:
    for fault in drawn(100, kinds=[KINDS["two"]]):
        one, other = fault.parts
        assert one.host != other.host
        assert one.kind != other.kind


def test_two_nodes_have_no_minority_and_say_so() -> None:
    told = {fault.kind: fault.nobody for fault in drawn(60, size=2)}
    assert told["cut_minority"] == "of two nodes there is no minority"
    assert told["cut_ring"] == "two nodes make no ring"
    assert told["kill"] == ""


def test_without_observers_none_can_be_killed() -> None:
    kinds = chosen(["listener_killed", "writer_killed"])
    (one, other) = itertools.islice(faults(1, kinds, cluster_of(3, observed=False)), 2)
    assert {one.nobody, other.nobody} == {"this inventory has no listener", "this inventory has no writer"}
    assert one.parts == ()


def test_no_pair_will_do_where_one_away_is_too_many() -> None:
    fault = next(faults(1, [Two([KINDS["kill"], KINDS["stop"]])], cluster_of(3)))
    assert fault.nobody == "no two faults at once would leave most nodes there"


def test_a_pair_is_cut_on_one_of_the_two() -> None:
    (part,) = drawn(1, kinds=[KINDS["cut_pair"]])[0].parts
    assert part.given["from"] == part.given["to"]
    assert len(part.given["from"]) == 1


def test_a_minority_goes_on_hearing_itself() -> None:
    fault = drawn(1, size=5, kinds=[KINDS["cut_minority"]])[0]
    addresses = {node.name: node.address for node in cluster_of(5).nodes}
    assert len(fault.hosts) == 2
    for part in fault.parts:
        assert set(part.given["from"]) == {address for name, address in addresses.items() if name not in fault.hosts}


@pytest.mark.parametrize("size", [3, 4, 5, 9])
def test_in_a_ring_each_hears_a_majority_of_its_own(size: int) -> None:
    cluster = cluster_of(size)
    fault = drawn(1, size=size, kinds=[KINDS["cut_ring"]])[0]
    addresses = {node.address for node in cluster.nodes}
    heard = {part.host: frozenset(addresses - set(part.given["from"])) for part in fault.parts}
    assert len(heard) == len(set(heard.values())) == size
    assert {len(each) for each in heard.values()} == {size // 2 + 1}


def test_parameters_tell_what_was_given_to_whom() -> None:
    alone = Fault(1, "cut_in", (Part("node1", "cut_in", {"from": ["10.77.0.12"]}),))
    assert alone.parameters() == {"from": ["10.77.0.12"]}
    pair = Fault(2, "two", (Part("node1", "kill"), Part("node2", "cut", {"to": ["10.77.0.11"]})))
    assert pair.parameters() == {"node1": {"kind": "kill"}, "node2": {"kind": "cut", "to": ["10.77.0.11"]}}
    assert pair.expected_down(KINDS) == ["node1"]


def test_chosen_kinds_keep_their_order_and_unknown_ones_are_refused() -> None:
    assert [kind.name for kind in chosen(["two", "kill"])] == ["kill", "two"]
    with pytest.raises(KeyError):
        chosen(["earthquake"])


def test_the_kinds_are_those_that_the_role_takes() -> None:
    options = yaml.safe_load(SPECS.read_text("utf-8"))["argument_specs"]["main"]["options"]
    assert options["faults_only"]["choices"] == list(KINDS)


def test_every_kind_is_told_in_one_line() -> None:
    lines = faults_kinds([]).splitlines()
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert all(len(line.split()) > 3 for line in lines)


def test_a_schedule_can_be_read() -> None:
    hosts = {node.name: {"address": node.address, "roles": ["keydb"]} for node in cluster_of(3).nodes}
    lines = faults_schedule(hosts, 3, 40, ["two", "writer_killed"]).splitlines()
    assert len(lines) == 40
    assert any("writer_killed: this inventory has no writer" in line for line in lines)
    assert any(line.count(" on node") == 2 for line in lines)
