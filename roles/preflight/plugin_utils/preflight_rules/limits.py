"""Ranges and choices that argument_specs.yml cannot say, or does not have to repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .problem import Problem, one_of, shown


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number; ``None`` is no bound."""

    low: float
    high: float | None = None
    unit: str = ""

    def __contains__(self, value: float) -> bool:
        """Tell whether the value is within the bounds."""
        return value >= self.low and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        """Say the bounds in words."""
        bounds = f"{self.low:g} or more" if self.high is None else f"{self.low:g} to {self.high:g}"
        return f"{bounds} {self.unit}".rstrip()


# A node's units run without capabilities, so they cannot bind a port below 1024.
PORTS = Range(1024, 65535)

RANGES: Mapping[str, Range] = {
    "bench_port": Range(1024, 65534),
    "bench_maxmemory_mb": Range(64, 65_536, "MB"),
    "bench_rounds": Range(1, 100, "rounds"),
    "bench_seconds": Range(0.2, 120, "s"),
    "bench_warmup": Range(0, 60, "s"),
    "bench_tool_threads": Range(1, 64, "threads"),
    "bench_tail_rate": Range(1, 100_000, "writes/s"),
    "bench_tail_seconds": Range(1, 600, "s"),
    "bench_knee_start": Range(100, 1_000_000, "writes/s"),
    "bench_knee_seconds": Range(1, 120, "s"),
    "bench_knee_precision": Range(1.01, 4),
    "bench_scale_seconds": Range(0.5, 120, "s"),
    "bench_most_load": Range(0, 1),
    "bench_minutes": Range(1, 1440, "minutes"),
    "bench_seed": Range(0, 999_999),
    # IPv6, which is there for link-local addresses, needs 1280; jumbo frames end at 9000.
    "cluster_network_mtu": Range(1280, 9000, "bytes"),
    "cluster_network_undo_after": Range(20, 600, "s"),
    "cluster_network_pings": Range(1, 1000, "packets"),
    "cluster_network_iperf_seconds": Range(1, 60, "s"),
    "cluster_network_iperf_port": PORTS,
    "cluster_network_least_mbits": Range(1, 400_000, "Mbit/s"),
    # A host undoes a fault by itself 100 s after its beginning: before that everything is over.
    "faults_seed": Range(0, 999_999),
    "faults_count": Range(1, 10_000, "faults"),
    "faults_hold": Range(0, 60, "s"),
    "faults_interval": Range(0, 300, "s"),
    "faults_links_timeout": Range(1, 300, "s"),
    "faults_quiet": Range(0, 900, "s"),
    "faults_rate": Range(1, 100_000, "operations/s"),
    "faults_observers_interval": Range(0, 60, "s"),
    "keydb_port": PORTS,
    "keydb_server_threads": Range(1, 64, "threads"),
    "keydb_maxmemory_mb": Range(64, None, "MB"),
    "keydb_repl_backlog_mb": Range(1, None, "MB"),
    "keydb_repl_timeout": Range(2, 3_600, "s"),
    "keydb_replica_output_buffer_mb": Range(1, None, "MB"),
    "keydb_pubsub_output_buffer_mb": Range(1, None, "MB"),
    "keydb_maxclients": Range(32, 1_000_000, "clients"),
    "keydb_ready_timeout": Range(1, 86_400, "s"),
    "keydb_verify_patience": Range(0, 86_400, "s"),
    "pki_ca_days": Range(1, 36_500, "days"),
    "pki_certificate_days": Range(1, 36_500, "days"),
    "pki_renew_before_days": Range(1, 36_500, "days"),
    "observers_interval": Range(0.01, 86_400, "s"),
    "observers_lines_up_to": Range(0, 1_000_000, "events/s"),
    "observers_verify_audit_seconds": Range(0.1, 3600, "s"),
    "healing_interval": Range(5, 86_400, "s"),
    "healing_share": Range(0.001, 1),
    "healing_keep_days": Range(1, 3650, "days"),
    "monitoring_interval": Range(1, 60, "s"),
    "monitoring_keep_days": Range(1, 3650, "days"),
    "monitoring_keep_mb": Range(64, None, "MB"),
    "monitoring_node_exporter_port": PORTS,
    "monitoring_engine_exporter_port": PORTS,
    "monitoring_prometheus_port": PORTS,
    # A replica answers once a second, and its link is given up after 60 s without an answer.
    "monitoring_alert_lag_seconds": Range(2, 60, "s"),
    "monitoring_alert_lag_mb": Range(1, None, "MB"),
    "monitoring_alert_late_ms": Range(0.05, 10_000, "ms"),
    "monitoring_alert_clock_error_ms": Range(0.001, 10_000, "ms"),
    "monitoring_alert_certificate_days": Range(1, 36_500, "days"),
    # chrony.conf(5), under the directive "server".
    "time_sync_minpoll": Range(-6, 24),
    "time_sync_maxpoll": Range(-6, 24),
    "time_sync_timeout": Range(1, 3600, "s"),
    "time_sync_verify_patience": Range(0, 3600, "s"),
    "preflight_min_free_mb": Range(0, None, "MB"),
    "preflight_max_clock_skew": Range(0.1, 86_400, "s"),
}

CHOICES: Mapping[str, tuple[str, ...]] = {
    "cluster_network_manager": ("auto", "networkmanager", "netplan", "networkd", "ifupdown"),
    "keydb_engine": ("keydb", "valkey", "redis"),
    "keydb_install_method": ("apt", "deb", "archive"),
    "keydb_appendfsync": ("always", "everysec", "no"),
    "keydb_maxmemory_policy": (
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ),
}


def range_problems(values: Mapping[str, Any], host: str) -> Iterator[Problem]:
    """Yield each value of a host that is out of its range. Values must have passed their type check."""
    for name, allowed in RANGES.items():
        if name in values and values[name] not in allowed:
            yield Problem(name, host, shown(values[name]), str(allowed), "is out of range")


def choice_problem(name: str, value: object, choices: tuple[object, ...], host: str) -> Problem | None:
    """Return the problem of a value that is none of its choices."""
    if value in choices:
        return None
    return Problem(name, host, shown(value), one_of(choices), "is not one of the choices")
