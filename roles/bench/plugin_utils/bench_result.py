"""From what hosts answered to a result: figures over all rounds, in the form that the report reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench_conditions import Mark, listener_marks
from bench_figures import Figure, figure, milliseconds
from bench_knee import LISTENERS
from bench_model import model
from bench_plan import PARTS

SCHEMA = 1
_TITLES = {"keydb": "KeyDB", "valkey": "Valkey", "redis": "Redis"}
_HOST = ("processors", "memory_mb", "kernel", "system", "address", "in_container")

Entry = Mapping[str, Any]


def result(run: Mapping[str, Any], told: Mapping[str, Any], marks_after: Sequence[Mark]) -> dict[str, Any]:
    """``run`` is what the playbook knows, ``told`` what the leader has measured, as plain data."""
    marks: list[Mark] = []
    for each in [*told["marks"], *marks_after]:
        if each not in marks:
            marks.append(each)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        **{name: run[name] for name in ("taken_at", "inventory", "plan", "seed")},
        "seconds": round(told["seconds"], 1),
        "settings": run["settings"],
        "hosts": {
            name: {"board": run["boards"].get(name, ""), **{key: facts[key] for key in _HOST}}
            for name, facts in told["facts"].items()
        },
        "engines": {
            name: {"title": _TITLES.get(name, name), "version": version} for name, version in told["versions"].items()
        },
        "not_measured": [*run["not_measured"], *told["not_measured"]],
    }
    client, server = run["settings"]["client"], run["settings"]["server"]
    parts = {
        "throughput": _throughput(told["visits"], server, client),
        "tail": _tail(told["visits"]),
        "listeners": _listeners(told) if told["knees"] else {},
        "scale": _scale(told["points"]) if told["points"] else {},
    }
    for name in PARTS:
        if parts[name]:
            found[name] = parts[name]
        elif name not in [each["what"] for each in found["not_measured"]]:
            asked = name in run["settings"]["parts"]
            found["not_measured"].append(
                {"what": name, "why": "it came to nothing" if asked else "not asked for (bench_parts)"}
            )
    if "listeners" in found:
        knees = {name: each["knee"]["median"] if each["knee"] else 0.0 for name, each in found["listeners"].items()}
        marks += listener_marks(client, knees)
    found["conditions"] = {"verdict": "marked" if marks else "good", "marks": marks}
    return found


def _throughput(visits: Sequence[Entry], server: str, client: str) -> list[dict[str, Any]]:
    shape = ("operation", "size", "pipeline", "connections")
    rows: dict[tuple[Any, ...], list[Entry]] = defaultdict(list)
    for visit in visits:
        for work in visit.get("works", ()):
            rows[(*visit["variant"].items(), *((name, work[name]) for name in shape))].append(work)
    return [
        {
            **dict(key),
            "server": server,
            "client": client,
            "rate": figure("operations/s", (work["rate"] for work in found)),
            "p50": figure("ms", (work["p50_ms"] for work in found)),
            "p99": figure("ms", (work["p99_ms"] for work in found)),
        }
        for key, found in rows.items()
    ]


def _tail(visits: Sequence[Entry]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int, str], list[Entry]] = defaultdict(list)
    for visit in visits:
        if "tail" in visit:
            variant = visit["variant"]
            rows[variant["engine"], variant["threads"], variant["scheduling"]].append(visit["tail"])
    return [
        {
            "engine": engine,
            "threads": threads,
            "scheduling": scheduling,
            "offered": round(found[0]["offered"]),
            # Of the synchronous listener; the other one differs by its loop, not by the engine.
            "p50": figure("ms", (_percentile_ms(window, "sync", 50.0) for window in found)),
            "p99": figure("ms", (_percentile_ms(window, "sync", 99.0) for window in found)),
            "processor": figure("fraction", (window["server_cpu_s"] / window["duration_s"] for window in found)),
        }
        for (engine, threads, scheduling), found in sorted(rows.items(), key=lambda row: row[0])
    ]


def _listeners(told: Mapping[str, Any]) -> dict[str, Any]:
    by_rate: dict[int, list[Entry]] = defaultdict(list)
    for each in told["windows"]:
        by_rate[each["rate"]].append(each["window"])
    found = {}
    for name in LISTENERS:
        knees = [each["rates"][name] for each in told["knees"]]
        bounds = [each["at_least"][name] for each in told["knees"]]
        entry: dict[str, Any] = {
            "steps": [_step(rate, by_rate[rate], name) for rate in sorted(by_rate)],
            "knee": figure("events/s", knees),
            # A search that only the generator has ended says that the listener takes as much, not where its end is.
            "limited_by": "generator" if all(bounds) else "listener",
        }
        if told["quiet"]:
            entry["percentiles_at"] = told["quiet"]["rate"]
            entry["percentiles"] = [
                [percent, value / 1e6]
                for percent, value in told["quiet"]["window"]["listeners"][name]["percentiles"]
                if value is not None
            ]
        found[name] = entry
    return found


def _step(rate: int, windows: Sequence[Entry], name: str) -> dict[str, Any]:
    def total(key: str) -> int:
        return sum(window["listeners"][name][key] for window in windows)

    return {
        "offered": rate,
        "achieved": figure("writes/s", (window["achieved"] for window in windows)),
        "p50": figure("ms", (_percentile_ms(window, name, 50.0) for window in windows)),
        "p99": figure("ms", (_percentile_ms(window, name, 99.0) for window in windows)),
        "in_time": figure("fraction", (_in_time(window, name) for window in windows)),
        "missed": total("missed"),
        "superseded": total("superseded"),
        "events": total("events"),
    }


def _in_time(window: Entry, name: str) -> float:
    share: float = window["listeners"][name]["in_time"] / max(window["measured"], 1)
    return share


def _percentile_ms(window: Entry, name: str, percent: float) -> float | None:
    for each, value in window["listeners"][name]["percentiles"]:
        if each == percent:
            return milliseconds(value)
    return None


def _scale(points: Sequence[Entry]) -> dict[str, Any]:
    rows: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for point in points:
        rows[point["nodes"], point["writers"]].append(point)
    summed = [
        {
            "nodes": nodes,
            "writers": writers,
            "writes": _over(found, "writes/s", lambda point: point["writes"]),
            "last_node": _over(found, "ms", lambda point: point["last_node_ms"]),
            "last_node_p99": _over(found, "ms", lambda point: point["last_node_p99_ms"]),
            "bytes_per_write": _over(found, "bytes", lambda point: point["bytes_per_write"]),
            "processor": {
                name: figure("fraction", (point["processor"][name] for point in found))
                for name in found[0]["processor"]
            },
        }
        for (nodes, writers), found in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1] != "one"))
    ]
    fitted = model(summed)
    return {"points": summed} | ({"model": fitted} if fitted else {})


def _over(points: Iterable[Entry], unit: str, value: Callable[[Entry], float]) -> Figure | None:
    return figure(unit, map(value, points))
