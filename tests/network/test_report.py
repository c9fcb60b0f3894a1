"""What the measured pairs add up to, and why one is slow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from network_report import likely_causes, network_matrix, network_report

LEAST = 900


def link(**changes: Any) -> dict[str, Any]:
    known = {"interface": "eth1", "virtual": False, "carrier": True, "speed": 1000, "duplex": "full", "mtu": 1500}
    return {**known, "shaped": None, **changes}


def proof(grown: dict[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    return {"link": link(**changes), "said": "eth1: as it is", "grown": grown or {}, "problems": []}


def pair(source: str = "pi1", target: str = "pi2", mbits: float | None = 943.2, **changes: Any) -> dict[str, Any]:
    measured = {"mbits": mbits, "retransmits": 0, "sender_cpu": 20.0, "receiver_cpu": 30.0, "error": ""}
    return {
        "source": source,
        "target": target,
        "round_trip": {"sent": 20, "answered": 20, "median_ms": 0.21, "worst_ms": 0.4},
        "large_packets": changes.pop("large_packets", True),
        "throughput": {**measured, **changes},
        "changed": False,
    }


@pytest.mark.parametrize(
    ("measured", "source", "target", "cause"),
    [
        (pair(), proof(speed=100), proof(), "eth1 of pi1 is negotiated at 100 Mb/s"),
        (pair(), proof(), proof(speed=100), "eth1 of pi2 is negotiated at 100 Mb/s"),
        (pair(), proof(duplex="half"), proof(), "eth1 of pi1 is half duplex"),
        (pair(), proof(), proof(grown={"rx_crc_errors": 8}), "eth1 of pi2 counts errors (rx_crc_errors +8)"),
        (pair(), proof(shaped=100.0), proof(), "eth1 of pi1 is shaped: it sends no more than 100 Mbit/s"),
        (pair(), proof(), proof(shaped=100.0), "unknown"),
        (pair(), proof(shaped=1000.0), proof(), "unknown"),
        (pair(), proof(mtu=9000), proof(), "MTU 9000 on pi1, 1500 on pi2"),
        (pair(large_packets=False), proof(), proof(), "packets of the whole MTU do not get through"),
        (pair(sender_cpu=99.0), proof(), proof(), "the processor of pi1 was busy with it (99 % of a core)"),
        (pair(receiver_cpu=96.4), proof(), proof(), "the processor of pi2"),
        (pair(host_cpu=97.2), proof(), proof(), "pi1 was busy, with other things too (97 % of all cores)"),
        (pair(retransmits=512), proof(), proof(), "packets are lost on the way (512 sent again)"),
        (pair(), proof(), {}, "unknown"),
        (pair(), proof(speed=None, duplex=None, virtual=True), proof(), "unknown"),
    ],
)
def test_the_likely_cause(measured: dict[str, Any], source: Any, target: Any, cause: str) -> None:
    assert likely_causes(measured, source, target, LEAST)[0].startswith(cause)


def report(pairs: list[dict[str, Any]], **proofs: Any) -> dict[str, Any]:
    hosts = {name: {"cluster_network_proof": each} for name, each in proofs.items()}
    return network_report(pairs, list(hosts), hosts, LEAST)


def test_all_is_well() -> None:
    made = report([pair(), pair("pi2", "pi1", 941.0)], pi1=proof(), pi2=proof(virtual=True, speed=None, duplex=None))
    assert made["passed"] is True
    assert made["problems"] == []
    assert json.loads(json.dumps(made)) == made
    assert network_matrix(made).splitlines() == [
        "Mbit/s:",
        "FROM \\ TO  pi1  pi2",
        "pi1        -    943",
        "pi2        941  -",
        "",
        "round trip in ms, median / worst:",
        "FROM \\ TO  pi1          pi2",
        "pi1        -            0.21 / 0.40",
        "pi2        0.21 / 0.40  -",
        "",
        "pi1  eth1: as it is",
        "pi2  eth1: as it is",
        "Every pair reaches 900 Mbit/s.",
    ]


def test_a_pair_that_is_too_slow_is_named_with_its_cause() -> None:
    made = report([pair(mbits=95.4), pair("pi2", "pi1")], pi1=proof(shaped=100.0), pi2=proof())
    assert made["passed"] is False
    (problem,) = made["problems"]
    assert problem.startswith("pi1 to pi2: 95 Mbit/s, not 900; likely cause: eth1 of pi1 is shaped")
    lines = network_matrix(made).splitlines()
    assert lines[2].split() == ["pi1", "-", "95", "<"]
    assert lines[-2:] == ["1 problem(s):", problem]


def test_what_could_not_be_measured_is_a_problem() -> None:
    unreachable = {"source": "pi2", "target": "pi1", "unreachable": True}
    failed = pair(mbits=None, error="unable to connect to server:\n Connection refused")
    made = report([failed, unreachable], pi1=proof(), pi2={"unreachable": True, "msg": "no route"})
    assert [problem.split(";")[0] for problem in made["problems"]] == [
        "pi1 to pi2: not measured (unable to connect to server: Connection refused)",
        "pi2 to pi1: not measured (it could not be reached)",
        "pi2: not measured: no route",
    ]
    assert "?" in network_matrix(made)


def test_a_link_that_says_itself_what_is_wrong_is_a_problem() -> None:
    made = report([pair()], pi1=proof() | {"problems": ["eth1 has an MTU of 9000, not 1500"]}, pi2=proof())
    assert made["problems"] == ["pi1: eth1 has an MTU of 9000, not 1500"]


def test_one_node_alone_is_no_network() -> None:
    assert report([], pi1=proof())["problems"] == ["there is no pair to measure: it takes two nodes"]
