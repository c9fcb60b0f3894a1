"""Replicated writes on the first so many hosts: one point of the curve."""

from __future__ import annotations

from typing import Any

from bench_hosts import Hosts
from bench_plan import Settings

_PAUSE_S = 0.005
_KEYS = 1000


class Scaling:
    """``is_mesh``: whether every node takes writes, and follows every other one. All methods raise MeasuringError."""

    def __init__(self, hosts: Hosts, settings: Settings, *, is_mesh: bool) -> None:
        self._hosts = hosts
        self._settings = settings
        self._is_mesh = is_mesh

    def serve(self, nodes: int) -> None:
        """The first so many hosts, each replicating from all others, or all from the first one."""
        names, addresses = self._hosts.names[:nodes], self._hosts.addresses
        variant = self._settings.base(self._settings.cluster_engine).as_order()
        orders = {}
        for name in names:
            if self._is_mesh:
                sources = [addresses[other] for other in names if other != name]
            else:
                sources = [addresses[names[0]]] if name != names[0] else []
            orders[name] = {**variant, "sources": sources, "is_mesh": self._is_mesh}
        self._hosts.ask_all(orders, "serve")

    def point(self, nodes: int, writers: str) -> dict[str, Any]:
        """Replicated writes/s, bytes sent by all hosts per write, processors' share, and the time to the last node."""
        settings, hosts = self._settings, self._hosts
        names = hosts.names
        everybody: dict[str, dict[str, Any]] = {name: {} for name in names}
        targets = names[:nodes] if writers == "all" else names[:1]
        # The one who writes to a node is on the next host, for a client beside its server measures neither.
        orders = {
            names[(names.index(target) + 1) % len(names)]: self._writing(target, nodes - 1, settings.scale_batch, 0.0)
            for target in targets
        }
        before = hosts.ask_all(everybody, "used")
        told = hosts.ask_all(orders, "replicate")
        after = hosts.ask_all(everybody, "used")
        all_writes = sum(each["all_writes"] for each in told.values())
        sent = sum(after[name]["sent_bytes"] - before[name]["sent_bytes"] for name in names)
        lasted_s = max(each["elapsed_s"] for each in told.values()) + settings.warmup_s
        one = names[1 % len(names)]
        alone = hosts.ask(one, "replicate", **self._writing(names[0], nodes - 1, 1, _PAUSE_S))
        return {
            "writes": sum(each["writes"] / each["elapsed_s"] for each in told.values()),
            "bytes_per_write": sent / all_writes,
            "processor": {name: (after[name]["cpu_s"] - before[name]["cpu_s"]) / lasted_s for name in names[:nodes]},
            "last_node_ms": alone["p50_ms"],
            "last_node_p99_ms": alone["p99_ms"],
        }

    def _writing(self, target: str, replicas: int, batch: int, pause_s: float) -> dict[str, Any]:
        settings = self._settings
        variant = settings.base(settings.cluster_engine)
        return {
            "server": self._hosts.addresses[target],
            "tls": variant.tls,
            "authentication": variant.authentication,
            "replicas": replicas,
            "batch": batch,
            "pause_s": pause_s,
            # Each key has one writer.
            "prefix": f"load:{target}:",
            "keys": _KEYS,
            "size": settings.sizes[0],
            "warmup_s": settings.warmup_s,
            "seconds": settings.scale_seconds,
        }
