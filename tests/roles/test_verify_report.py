"""What the nodes' proofs add up to, and the table that shows it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from verify_report import FilterModule, verify_report, verify_table

NODES = ["node1", "node2"]


def proof(**changes: Any) -> dict[str, Any]:
    """What keydb_probe returned on a node where all is well."""
    return {
        "changed": False,
        "problems": [],
        "links_up": 2,
        "links_expected": 2,
        "version": "6.3.4",
        "arrived": {"node1": 0.9, "node2": 1.5},
        "told": {"node1": 0.8, "node2": 1.4},
        "refused": {"wrong password": "WRONGPASS", "plaintext connection": "Connection reset"},
        "attempts": 2,
        **changes,
    }


LINE = "writer wrote shared_key: timestamp 1.0 seq 1"


def facts(keydb: Any = None, units: dict[str, str] | None = None) -> dict[str, Any]:
    found = {"cluster_network_address": "10.77.0.11", "keydb_engine": "keydb", "keydb_proof": keydb or proof()}
    return found if units is None else {**found, "observers_proof": {"units": units}}


def report(**hosts: dict[str, Any]) -> dict[str, Any]:
    return verify_report(list(hosts), hosts)


def test_all_is_well() -> None:
    made = report(node1=facts(units={"observer-writer": LINE}), node2=facts(units={"observer-listener-sync": LINE}))
    assert made["passed"] is True
    assert made["problems"] == []
    assert [node["name"] for node in made["nodes"]] == NODES
    assert made["nodes"][0]["units"] == [{"unit": "observer-writer", "logged": LINE, "well": True}]
    assert dt.datetime.fromisoformat(made["time"]).tzinfo is not None
    assert json.loads(json.dumps(made)) == made
    assert verify_table(made).splitlines() == [
        "NODE   VERSION  LINKS UP  WRITE REACHED  NOTIFIED      REFUSED  UNITS LOGGING",
        "node1  6.3.4    2/2       node1, node2   node1, node2  2 of 2   writer",
        "node2  6.3.4    2/2       node1, node2   node1, node2  2 of 2   listener-sync",
        "Everything holds.",
    ]


@pytest.mark.parametrize(
    "unreachable",
    [
        {"keydb_proof": {"unreachable": True, "msg": "Failed to connect\n  to the host via ssh"}},
        {"keydb_proof": {"failed": True, "msg": "MODULE FAILURE"}},
        {},
    ],
)
def test_a_node_that_could_not_be_asked(unreachable: dict[str, Any]) -> None:
    made = report(node1=facts(units={}), node2=unreachable)
    assert made["passed"] is False
    why = " ".join(unreachable.get("keydb_proof", {}).get("msg", "it could not be reached").split())
    assert made["problems"] == [f"node2: not proved: {why}"]
    lines = verify_table(made).splitlines()
    assert lines[2].split() == ["node2", "-", "0/0", "-", "-", "0", "of", "0", "-"]
    assert lines[3:] == ["1 problem(s):", f"node2: not proved: {why}"]


def test_a_node_with_problems() -> None:
    problems = ["link from node2 (10.77.0.12) is down", "a value written here did not reach node2 within 5 s"]
    made = report(node1=facts(proof(problems=problems, links_up=1, arrived={"node1": 0.9})), node2=facts())
    assert made["passed"] is False
    assert made["problems"] == [f"node1: {problem}" for problem in problems]
    lines = verify_table(made).splitlines()
    assert lines[1].split() == ["node1", "6.3.4", "1/2", "node1", "node1,", "node2", "2", "of", "2", "-"]
    assert lines[3] == "2 problem(s):"
    assert lines[4:] == made["problems"]


def test_the_link_of_a_node() -> None:
    """What it is like is told; what is unknown is no problem."""
    network = {"link": {"speed": None}, "said": "eth1: speed unknown", "problems": []}
    made = report(node1=facts() | {"cluster_network_proof": network})
    assert made["passed"] is True
    assert verify_table(made).splitlines()[2:] == ["node1  eth1: speed unknown", "Everything holds."]
    slow = network | {"problems": ["eth1 is negotiated at 100 Mb/s"]}
    made = report(node1=facts() | {"cluster_network_proof": slow})
    assert made["problems"] == ["node1: eth1 is negotiated at 100 Mb/s"]


def test_a_unit_that_did_not_log() -> None:
    units = {"observer-writer": "", "observer-listener-sync": LINE}
    made = report(node1=facts(units=units))
    assert made["problems"] == ["node1: observer-writer has not logged within two intervals"]
    assert verify_table(made).splitlines()[1].split()[-1] == "listener-sync"


@pytest.mark.parametrize("without", [facts(), facts(units={}), {**facts(), "observers_proof": {"skipped": True}}])
def test_a_node_without_units(without: dict[str, Any]) -> None:
    made = report(node1=without)
    assert made["passed"] is True
    assert made["nodes"][0]["units"] == []
    assert verify_table(made).splitlines()[1].split()[-1] == "-"


def test_the_problems_of_a_node_are_not_the_proofs_own_list() -> None:
    """Asked twice for the same facts, it says the same."""
    hosts = {"node1": facts(units={"observer-writer": ""})}
    assert verify_report(["node1"], hosts)["problems"] == verify_report(["node1"], hosts)["problems"]


def test_a_replica_writes_nothing() -> None:
    made = report(node1=facts(proof(arrived={}, told={}, links_up=1, links_expected=1)))
    assert made["passed"] is True
    assert verify_table(made).splitlines()[1].split()[2:5] == ["1/1", "-", "-"]


def test_the_filters_have_their_names() -> None:
    assert FilterModule().filters() == {"verify_report": verify_report, "verify_table": verify_table}
