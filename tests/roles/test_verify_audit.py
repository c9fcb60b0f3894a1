"""What an audit adds to the report of verify.yml."""

from __future__ import annotations

import json
from typing import Any

import pytest
from verify_audit import FilterModule, audit_line, proved_nodes, with_audit

REPORT = {"passed": True, "nodes": [], "problems": []}


def difference(key: str, **digests: str) -> dict[str, Any]:
    """A key of which the nodes have these values; an empty one is none."""
    states = {
        name: {"type": "string" if digest else "none", "digest": digest, "expires": False}
        for name, digest in digests.items()
    }
    return {"key": key, "kind": "value" if all(digests.values()) else "presence", "nodes": states}


def asked(*differences: dict[str, Any], complete: bool = True, busy: int = 0) -> dict[str, Any]:
    """What the command module returned."""
    audit = {
        "schema": 1,
        "nodes": ["node1", "node2", "node3"],
        "complete": complete,
        "examined": 1234,
        "differing": len(differences),
        "by_kind": {},
        "busy": busy,
        "differences": list(differences),
    }
    return {"rc": int(bool(differences)), "stdout": json.dumps(audit), "stderr": "0 keys compared"}


def test_all_are_equal() -> None:
    made = with_audit(REPORT, asked())
    assert (made["passed"], made["problems"]) == (True, [])
    assert audit_line(made) == "1234 keys compared on all nodes: 0 differ."
    assert json.loads(json.dumps(made)) == made


def test_each_difference_is_a_problem_that_names_nodes() -> None:
    made = with_audit(
        REPORT, asked(difference("stock", node1="a", node2="b", node3="a"), difference("gone", node1="a", node2=""))
    )
    assert made["passed"] is False
    assert made["problems"] == [
        "audit: stock: value differs: string on node1, node3 | string on node2",
        "audit: gone: presence differs: string on node1 | none on node2",
    ]
    assert audit_line(made) == "1234 keys compared on all nodes: 2 differ."


def test_of_many_differences_the_first_are_named_and_the_rest_counted() -> None:
    made = with_audit(REPORT, asked(*(difference(f"key{n}", node1="a", node2="") for n in range(40))))
    assert len(made["problems"]) == 6
    assert made["problems"][-1] == "audit: 35 more keys differ between nodes"
    assert len(made["audit"]["differences"]) == 5


def test_what_was_not_compared_is_said() -> None:
    made = with_audit(REPORT, asked(complete=False, busy=3))
    assert made["passed"] is True
    assert audit_line(made) == (
        "1234 keys compared on all nodes, which are not all: the time for it ran out: 0 differ, 3 changed all the time."
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"rc": 1, "stdout": "", "stderr": "audit: node3 (10.0.0.3:6379):\n it refuses connections"},
        {"unreachable": True, "msg": "audit: node3 (10.0.0.3:6379): it refuses connections"},
    ],
)
def test_an_audit_that_came_to_no_end_is_a_problem(answer: dict[str, Any]) -> None:
    made = with_audit(REPORT, answer)
    assert made["passed"] is False
    assert made["problems"] == [
        "audit: not all nodes could be compared: audit: node3 (10.0.0.3:6379): it refuses connections"
    ]
    assert audit_line(made) == ""


@pytest.mark.parametrize("answer", [{}, {"skipped": True, "changed": False}])
def test_where_it_was_not_asked_for_nothing_is_said(answer: dict[str, Any]) -> None:
    made = with_audit({**REPORT, "problems": ["node1: is down"], "passed": False}, answer)
    assert (made["audit"], made["problems"], made["passed"]) == (None, ["node1: is down"], False)
    assert audit_line(made) == ""


def test_who_may_be_asked() -> None:
    facts = {
        "node1": {"keydb_proof": {"unreachable": True, "msg": "ssh"}},
        "node2": {"keydb_proof": {"problems": ["a link is down"]}},
        "node3": {},
    }
    assert proved_nodes(["node1", "node2", "node3"], facts) == ["node2"]


def test_the_filters_have_their_names() -> None:
    assert set(FilterModule().filters()) == {"proved_nodes", "with_audit", "audit_line"}
