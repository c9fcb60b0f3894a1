"""Results as the playbooks leave them, small, and different where a test asks for it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keydb_report.command import Settings, make, write
from keydb_report.page import Report

ENOUGH = 1000
NODES = ("node1", "node2", "node3")
BEGUN_NS = 1_795_653_994_000_000_000


def figure(*rounds: float, unit: str = "ms") -> dict[str, Any]:
    """As the benchmark writes one."""
    middle = statistics.median(rounds)
    return {"unit": unit, "rounds": list(rounds), "median": middle, "low": min(rounds), "high": max(rounds)}


def around(value: float, unit: str = "ms", spread: float = 0.02) -> dict[str, Any]:
    """Three rounds that differ by twice the spread."""
    return figure(value, value * (1 - spread), value * (1 + spread), unit=unit)


def throughput(engine: str = "keydb", rate: float = 20_000.0, **changes: Any) -> dict[str, Any]:
    """One measurement of an engine."""
    known = {
        "engine": engine,
        "tls": True,
        "authentication": True,
        "persistence": True,
        "threads": 1 if engine == "redis" else 2,
        "scheduling": "other",
        "operation": "set",
        "size": 64,
        "pipeline": 1,
        "connections": 50,
        "server": "node1",
        "client": "node2",
    }
    rates = {"rate": around(rate, "operations/s"), "p50": around(50_000 / rate), "p99": around(200_000 / rate)}
    return known | rates | changes


def tail(engine: str = "keydb", p99: float = 4.6, **changes: Any) -> dict[str, Any]:
    """From write to event, at a low rate."""
    known = {"engine": engine, "threads": 1 if engine == "redis" else 2, "scheduling": "other", "offered": 200}
    return known | {"p50": around(0.6), "p99": around(p99), "processor": around(0.2, "fraction")} | changes


def listener(knee: float = 8000.0, limited_by: str = "listener", slow: float = 1.0) -> dict[str, Any]:
    """A listener's steps up to its knee and beyond."""
    steps = [
        {
            "offered": offered,
            "achieved": around(min(offered, knee), "events/s"),
            "p50": around(0.5 * slow * (1 if offered <= knee else 40)),
            "p99": around(2.25 * slow * (1 if offered <= knee else 90)),
            "missed": 0,
            "superseded": 0 if offered <= knee else 1234,
            "events": offered * 5,
        }
        for offered in (250, 1000, 4000, 16000)
    ]
    return {
        "steps": steps,
        "knee": around(knee, "events/s"),
        "limited_by": limited_by,
        "percentiles_at": 250,
        "percentiles": [
            [50.0, 0.5 * slow],
            [90.0, 1.1 * slow],
            [99.0, 2.25 * slow],
            [99.9, 6.5 * slow],
            [100.0, 11.0 * slow],
        ],
    }


def bench(**changes: Any) -> dict[str, Any]:
    """A whole run."""
    host = {"board": "QEMU Standard PC", "processors": 2, "memory_mb": 7950, "kernel": "6.1.0-40-amd64"}
    host |= {"system": "Debian 12", "address": "10.77.0.11", "in_container": True}
    scale = {
        "points": [
            {
                "nodes": nodes,
                "writers": writers,
                "writes": around(9000 / nodes, "writes/s"),
                "last_node": around(1.5 * nodes),
                "bytes_per_write": around(310.0 * nodes, "bytes"),
                "processor": {name: around(0.4, "fraction") for name in NODES[:nodes]},
            }
            for nodes in (2, 3)
            for writers in ("one", "all")
        ],
        "model": {
            "form": "writes/s = 1 / (a + b (n - 1))",
            "coefficients": {"a_one": 0.0001, "b_one": 1.234e-05, "a_all": 0.0001, "b_all": 2.0e-05},
            "residual": 0.03,
            "extrapolated": [
                {"nodes": nodes, "writers": writers, "writes": round(factor / nodes, 1)}
                for writers, factor in (("one", 9000.0), ("all", 8200.0))
                for nodes in (4, 6, 12)
            ],
        },
    }
    known = {
        "schema": 1,
        "taken_at": "2026-11-26T01:30:00+00:00",
        "seconds": 412.5,
        "inventory": "lab",
        "settings": {"server": "node1", "parts": ["throughput", "tail"], "rounds": 3, "tls": [True, False]},
        "seed": 1,
        "conditions": {"verdict": "good", "marks": []},
        "hosts": {name: dict(host) for name in NODES},
        "engines": {
            "keydb": {"title": "KeyDB", "version": "255.255.255"},
            "redis": {"title": "Redis", "version": "7.0.15"},
        },
        "not_measured": [],
        "throughput": [
            throughput(),
            throughput("redis", 60_000.0),
            throughput(tls=False, rate=26_000.0),
            throughput(tls=False, authentication=False, rate=27_000.0),
            throughput(pipeline=16, rate=150_000.0),
        ],
        "tail": [tail(), tail("redis", 0.9)],
        "listeners": {"sync": listener(7900.0), "async": listener(8600.0)},
        "scale": scale,
    }
    return {key: each for key, each in (known | changes).items() if each is not None}


def faults(**changes: Any) -> dict[str, Any]:
    """A verdict that holds."""
    known: dict[str, Any] = {
        "schema": 1,
        "inventory": "lab",
        "engine": "keydb",
        "engine_version": "255.255.255",
        "begun_ns": BEGUN_NS,
        "seed": 1,
        "faults": {"kill": 2, "cut_pair": 1, "restart": 3},
        "not_possible": {"clock_step": "not in a container"},
        "operations": {"acknowledged": 20668, "failed": 12, "unknown": 3},
        "durable_lost": 0,
        "plain_lost": 0,
        "counters_wrong": 0,
        "resurrected": 0,
        "durable_resurrected": 0,
        "never_written": 0,
        "expired_kept": 0,
        "differing_keys": 0,
        "uncounted_missed": 0,
        "bystander_crashes": 0,
        "longest_bystander_down_s": 0.0,
        "different_for_s": {"median": 0.4, "p90": 1.1, "max": 2.5},
        "links_up_s": {"median": 1.873, "p90": 4.2, "max": 6.0},
        "events_again_s": {"median": 0.197, "p90": 0.3, "max": 0.4},
        "holds": True,
        "problems": [],
        "remarks": [],
        "examples": {},
    }
    return known | changes


def happened() -> list[dict[str, Any]]:
    """The faults of a run, in their order; the last one was not possible."""
    kinds = ("kill", "cut_pair", "restart", "kill", "restart", "restart")
    found: list[dict[str, Any]] = [
        {
            "number": place + 1,
            "kind": kind,
            "hosts": [NODES[place % 3], NODES[(place + 1) % 3]] if kind == "cut_pair" else [NODES[place % 3]],
            "begun_ns": BEGUN_NS + (5 + 8 * place) * 1_000_000_000,
            "undone_ns": BEGUN_NS + (8 + 8 * place) * 1_000_000_000,
            "expected_down": [],
            "outcome": "done",
        }
        for place, kind in enumerate(kinds)
    ]
    return [*found, {"number": 7, "kind": "clock_step", "hosts": ["node1"], "outcome": "not in a container"}]


def network(slow: tuple[str, str] | None = None) -> dict[str, Any]:
    """All pairs; one of them may be of a link of 100 Mbit/s."""
    pairs, problems = [], []
    for source in NODES:
        for target in NODES:
            if source == target:
                continue
            mbits = 94.2 if (source, target) == slow else 943.5
            pair: dict[str, Any] = {
                "source": source,
                "target": target,
                "round_trip": {"sent": 20, "answered": 20, "median_ms": 0.211, "worst_ms": 0.4},
                "large_packets": True,
                "throughput": {"mbits": mbits, "retransmits": 0, "sender_cpu": 20.0, "receiver_cpu": 30.0, "error": ""},
            }
            if (source, target) == slow:
                pair["causes"] = [f"eth1 of {source} is negotiated at 100 Mb/s: the cable, its plugs, or the port"]
                problems.append(f"{source} to {target}: 94 Mbit/s, not 900; likely cause: {pair['causes'][0]}")
            pairs.append(pair)
    return {
        "time": "2026-11-26T01:10:00+00:00",
        "passed": not problems,
        "least_mbits": 900,
        "links": {name: {"interface": "eth1", "speed": 1000} for name in NODES},
        "said": dict.fromkeys(NODES, "eth1: as it is"),
        "pairs": pairs,
        "problems": problems,
    }


def verify(**changes: Any) -> dict[str, Any]:
    """All is well, and one pair of clocks is unknown."""
    pairs = [
        {
            "nodes": ["node1", "node2"],
            "offset_s": 1.9249e-05,
            "root_dispersion_s": 3.8e-05,
            "error_bound_s": 7.48945e-05,
        },
        {"nodes": ["node1", "node3"], "offset_s": -2.5e-06, "root_dispersion_s": 1.1e-05, "error_bound_s": 0.00013103},
        {"nodes": ["node2", "node3"], "offset_s": None, "root_dispersion_s": None, "error_bound_s": None},
    ]
    known = {
        "time": "2026-11-26T01:12:00+00:00",
        "passed": True,
        "nodes": [{"name": name, "engine": "keydb", "version": "255.255.255", "problems": []} for name in NODES],
        "clocks": {"nodes": {}, "pairs": pairs},
        "audit": {"examined": 512, "differing": 0, "complete": True, "busy": 0},
        "problems": [],
    }
    return known | changes


def hosts(**findings: Sequence[str]) -> dict[str, Any]:
    """What check_hosts.yml says; by host, what it found."""
    return {
        "time": "2026-11-26T01:05:00+00:00",
        "hosts": [
            {
                "name": name,
                "profile": "pc",
                "facts": {"model": {"value": "QEMU Standard PC", "source": "dmi"}},
                "findings": [{"severity": "warn", "about": "heat", "what": what} for what in findings.get(name, ())],
            }
            for name in NODES
        ],
        "stops": 0,
        "warnings": 0,
    }


def capture(**changes: Any) -> dict[str, Any]:
    """Nothing in plaintext."""
    tls = [{"version": "TLS 1.3", "cipher": "TLS_AES_256_GCM_SHA384", "connections": 8}]
    known = {"schema": 1, "taken_at": "2026-11-26T01:40:00+00:00", "nodes": {}, "bytes_per_write": 1217.3, "tls": tls}
    return known | {"retransmissions": 4, "plaintext": [], "problems": [], "verdict": "holds"} | changes


def everything(**changes: Any) -> dict[str, Any]:
    """By name, all that there can be; what is None is left out."""
    known = {
        "bench": bench(),
        "faults": faults(),
        "network": network(),
        "verify": verify(),
        "hosts": hosts(),
        "capture": capture(),
    }
    return {name: each for name, each in (known | changes).items() if each is not None}


def lay_down(directory: Path, results: Mapping[str, Any]) -> Path:
    """As the playbooks do. The faults have a run of their own, with its list of them."""
    for name, result in results.items():
        (directory / name).mkdir(parents=True)
        text = result if isinstance(result, str) else json.dumps(result)
        (directory / name / "latest.json").write_text(text, encoding="utf-8")
    if isinstance(results.get("faults"), dict):
        run = directory / "faults" / "20261126T010000Z"
        run.mkdir()
        (run / "verdict.json").write_text(json.dumps(results["faults"]), encoding="utf-8")
        lines = "".join(json.dumps(each) + "\n" for each in happened())
        (run / "faults.jsonl").write_text(lines, encoding="utf-8")
    return directory


def made(directory: Path, baseline: Path | None = None, **changes: Any) -> Report:
    """The report of everything, with these changes, written below the directory."""
    results = lay_down(directory / "results", everything(**changes))
    settings = Settings(results, results / "report", ENOUGH, baseline)
    report = make(settings)
    write(report, settings)
    return report
