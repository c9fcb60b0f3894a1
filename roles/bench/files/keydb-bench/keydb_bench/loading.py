"""A window: both listeners, and for some seconds a load that does not wait for anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keydb_bench import units
from keydb_bench.host import CommandError, Host
from keydb_bench.listening import PREFIX, listening

_CATCH_UP_S = 3.0
# What the generator may take beyond the duration: its start, and ten seconds for what a stall held up.
_LATE_S = 45.0
_KEPT = ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")


def window(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """``rate`` in writes/s to ``keys`` keys for ``seconds`` after ``warmup_s``. Raises CommandError."""
    duration_s = given["warmup_s"] + given["seconds"]
    rate, keys = given["rate"], given["keys"]
    writes = max(1, round(rate * duration_s))
    with listening(host, given, writes, keys * 1e9 / rate, given["warmup_s"]) as listeners:
        load = _load(host, given, duration_s)
        seen = listeners.finish(_CATCH_UP_S)
    counts, histograms = load["counts"], load["histograms"]
    return {
        "writes": writes,
        "measured": writes - round(rate * given["warmup_s"]),
        "duration_s": duration_s,
        "offered": load["offered_rate"],
        "achieved": load["achieved_rate"],
        "acknowledged": counts["acknowledged"],
        "failed": sum(counts["failed"].values()),
        "kept_up": load["generator_kept_up"],
        "send_lag": {name: histograms["send_lag"][name] for name in _KEPT},
        "ack": {name: histograms["ack"][name] for name in _KEPT},
        "listeners": seen,
    }


def _load(host: Host, given: Mapping[str, Any], duration_s: float) -> dict[str, Any]:
    tls, authentication = given["tls"], given["authentication"]
    properties = ["DynamicUser=yes", *units.credentials(host, tls=tls, authentication=authentication)]
    command = units.arguments(host, units.WORK, "Load of a benchmark", *properties)
    command += ["--wait", "--pipe", host.observer, "load", "--node", f"{given['server']}:{host.first_port}"]
    command += ["--rate", str(given["rate"]), "--keys", str(given["keys"]), "--size", str(given["size"])]
    command += ["--duration", str(duration_s), "--prefix", PREFIX, "--output", "-", "--no-progress"]
    command += units.client_options(host, units.WORK, tls=tls, authentication=authentication)
    told = host.run(*command, within_s=duration_s + _LATE_S)
    try:
        found: dict[str, Any] = json.loads(told)
    except ValueError:
        raise CommandError(f"the generator has said nothing: {units.why(host, units.WORK)}") from None
    return found
