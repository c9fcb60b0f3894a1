"""Results of which whole reports are made, by what they are like."""

from __future__ import annotations

from typing import Any

from report_results import bench, faults, hosts, listener, network, tail, throughput

LOST = {"plain_lost": 47, "durable_lost": 1, "differing_keys": 3, "bystander_crashes": 1, "holds": False}
MARK = {"host": "node2", "condition": "throttled", "text": "throttled 3 times, at 81.5 °C"}

CASES: dict[str, dict[str, Any]] = {
    "everything": {},
    "nothing": dict.fromkeys(("bench", "faults", "network", "verify", "hosts", "capture")),
    "all is bad": {
        "faults": faults(**LOST, problems=["Fault 3 (kill on node1) did 5 things."]),
        "network": network(slow=("node1", "node2")),
        "hosts": hosts(node3=["throttled now (0x50005), at 82.5 °C"]),
        "bench": bench(
            conditions={"verdict": "marked", "marks": [MARK]},
            listeners={"sync": listener(612.0), "async": listener(8600.0, "generator")},
            not_measured=[{"what": "valkey", "why": "no package of version 8.1 can be had"}],
        ),
    },
    "odd figures": {
        "bench": bench(
            throughput=[
                throughput(rate=1234567.89),
                throughput("redis", 9.87654),
                throughput(tls=False, rate=0.012345),
            ],
            tail=[tail(p99=123.456), tail("redis", 99.96)],
            listeners={"sync": listener(1.0), "async": listener(99_999.5)},
        )
    },
}
