"""Hosts that answer as a cluster of three might, and note what they were told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_hosts import Hosts

ADDRESSES = {f"node{number}": f"10.77.0.{10 + number}" for number in (1, 2, 3)}
LIMITS = {"sync": 20_000, "async": 40_000}


class FakeRemote:
    """``changes``: what it answers to a command instead of the usual; an exception is raised."""

    def __init__(self, name: str, told: list[tuple[str, str, Mapping[str, Any]]], changes: Mapping[str, Any]) -> None:
        self.name = name
        self.told = told
        self.changes = changes
        self.order: tuple[str, Mapping[str, Any]] = ("", {})
        self.sent = 0
        self.cpu_s = 0.0

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:  # noqa: ARG002 - as the base has it
        self.told.append((self.name, command, given))
        self.order = (command, given)

    def finish(self) -> dict[str, Any]:
        command, given = self.order
        if command in self.changes:
            answer = self.changes[command]
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)
        return getattr(self, f"_{command}", lambda _: {})(given)  # type: ignore[no-any-return]

    def _facts(self, _given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "processors": 4,
            "memory_mb": 4000,
            "available_mb": 3000,
            "free_mb": 30_000,
            "kernel": "6.1",
            "system": "Debian GNU/Linux 12",
            "address": ADDRESSES[self.name],
            "in_container": False,
            "not_fifo": "",
        }

    def _busy(self, _given: Mapping[str, Any]) -> dict[str, Any]:
        return {"share": 0.05}

    def _link(self, _given: Mapping[str, Any]) -> dict[str, Any]:
        return {"mbits": 940.0}

    def _serve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": {"keydb": "6.3.4", "valkey": "8.1", "redis": "7.0"}[given["engine"]]}

    def _used(self, _given: Mapping[str, Any]) -> dict[str, Any]:
        self.cpu_s += 1.0
        self.sent += 1_000_000
        return {"cpu_s": self.cpu_s, "sent_bytes": self.sent, "at_s": 0.0, "available_mb": 3000}

    def _tools(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "works": [
                {**work, "rate": 50_000.0, "p50_ms": 0.5, "p99_ms": 1.5, "requests": 1} for work in given["works"]
            ]
        }

    def _window(self, given: Mapping[str, Any]) -> dict[str, Any]:
        rate = given["rate"]
        measured = int(rate * given["seconds"])

        def seen(limit: int) -> dict[str, Any]:
            in_time = measured if rate <= limit else measured // 2
            percentiles = [[50.0, 400_000], [99.0, 900_000]]
            return {
                "accounted": measured,
                "in_time": in_time,
                "missed": 0,
                "superseded": 0,
                "events": measured,
                "percentiles": percentiles,
            }

        return {
            "measured": measured,
            "duration_s": given["seconds"] + given["warmup_s"],
            "offered": float(rate),
            "achieved": float(rate),
            "acknowledged": measured,
            "failed": 0,
            "kept_up": True,
            "listeners": {name: seen(limit) for name, limit in LIMITS.items()},
        }

    def _replicate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        writes = 60_000 // (given["replicas"] + 1)
        return {"writes": writes, "all_writes": writes, "elapsed_s": 2.0, "p50_ms": 0.3, "p99_ms": 1.0}


def hosts_that(
    **changes: Mapping[str, Any],
) -> tuple[Hosts, list[tuple[str, str, Mapping[str, Any]]]]:
    """All three, and the list of what they were told. ``changes``: by host, answers that are not the usual ones."""
    told: list[tuple[str, str, Mapping[str, Any]]] = []
    remotes = {name: FakeRemote(name, told, changes.get(name, {})) for name in ADDRESSES}
    return Hosts(remotes, ADDRESSES), told
