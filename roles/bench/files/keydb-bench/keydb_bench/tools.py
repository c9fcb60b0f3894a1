"""The engine's own benchmark tool, once for each way that it is to be used."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keydb_bench import units
from keydb_bench.engine_config import USER
from keydb_bench.host import PROGRAM, CommandError, Host
from keydb_bench.listening import listening

# Requests to find out how many make up the seconds that are wanted.
_TRIED = 2000
_MOST_KEYS = 10_000
# Of a server's memory, for values.
_SHARE = 4
_STARTS_WITHIN_S = 20.0
_SLOWEST = 20
# No listener ends by itself meanwhile: the tool writes none of their keys.
_NEVER = 1 << 60


def tools(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Measure each of ``works`` while both listeners are attached. Raises CommandError."""
    tls, authentication = given["tls"], given["authentication"]
    properties = ["DynamicUser=yes", *units.credentials(host, tls=tls, authentication=authentication)]
    command = units.arguments(host, units.WORK, "Tool of a benchmark", *properties)
    command += ["--wait", "--pipe", "python3", "-B", str(PROGRAM / "run.py"), "inner_tools", json.dumps(dict(given))]
    lasts_s = sum(given["seconds"] * _SLOWEST + _STARTS_WITHIN_S for _ in given["works"])
    with listening(host, given, _NEVER, 1.0, 0.0):
        found: dict[str, Any] = json.loads(host.run(*command, within_s=lasts_s))
    if found.get("problem"):
        raise CommandError(found["problem"])
    return found


def inner_tools(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """The same from inside of the unit, which has the password."""
    options = ["-h", given["server"], "-p", str(host.first_port)]
    if given["authentication"]:
        # The tool knows no other way. The password is this run's alone, and good for nothing but its servers.
        password = Path(units.credential(units.WORK, "password")).read_text("utf-8").strip()
        options += ["--user", USER, "-a", password]
    if given["tls"]:
        options += ["--tls", "--cacert", f"{host.client_tls}/ca.crt", "--cert", f"{host.client_tls}/client.crt"]
        options += ["--key", units.credential(units.WORK, "client.key")]
    program = host.engines[given["engine"]]["benchmark"]
    try:
        found = []
        for work in given["works"]:
            keys = keys_for(work["size"], host.maxmemory_mb)
            found.append(_measure([program, *options], work, keys, given["seconds"]))
        return {"works": found}
    except CommandError as error:
        return {"problem": str(error)}


def keys_for(size: int, maxmemory_mb: int) -> int:
    """How many keys with values of so many bytes leave most of a server's memory free."""
    return max(1, min(_MOST_KEYS, (maxmemory_mb << 20) // _SHARE // size))


def _measure(command: Sequence[str], work: Mapping[str, Any], keys: int, seconds: float) -> dict[str, Any]:
    """First for a moment, which warms up and tells how many requests there are to be, then for so many seconds."""
    wanted = [*command, "--csv", "-t", work["operation"], "-d", str(work["size"]), "-P", str(work["pipeline"])]
    wanted += ["-c", str(work["connections"]), "-r", str(keys)]
    if work["tool_threads"] > 1:
        wanted += ["--threads", str(work["tool_threads"])]
    least = work["connections"] * work["pipeline"] * 4
    tried = _run([*wanted, "-n", str(max(_TRIED, least))], seconds)
    # The tool waits up to a quarter of a second between two looks at whether it is over.
    requests = max(least, _TRIED, int(tried["rate"] * seconds))
    return dict(work) | _run([*wanted, "-n", str(requests)], seconds) | {"requests": requests}


def _run(command: Sequence[str], seconds: float) -> dict[str, float]:
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds * _SLOWEST + _STARTS_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"the tool did not end within {error.timeout:g} s") from None
    print(f"{time.monotonic() - began:.1f} s: {' '.join(command[-12:])}", file=sys.stderr, flush=True)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise CommandError(f"the tool ended with {done.returncode}: {said[-300:]}")
    return parse(done.stdout)


def parse(told: str) -> dict[str, float]:
    """``rate`` in requests/s, ``p50_ms`` and ``p99_ms`` of what a tool printed with --csv. Raises CommandError."""
    lines = [line for line in told.replace("\r", "\n").splitlines() if line.startswith('"')]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    try:
        row = rows[-1]
        found = {"rate": row["rps"], "p50_ms": row["p50_latency_ms"], "p99_ms": row["p99_latency_ms"]}
        return {name: float(value) for name, value in found.items()}
    except (IndexError, KeyError, TypeError, ValueError):
        raise CommandError(f"the tool printed no figures: {' '.join(told.split())[:300]}") from None
