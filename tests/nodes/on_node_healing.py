"""Questions to the timer that makes nodes equal, and ways to make them differ. They run on a node, as root."""

from __future__ import annotations

import json
import re
import subprocess
import time
from inspect import signature
from pathlib import Path
from typing import Any

import redis

CA, CERTIFICATE, KEY = "/etc/keydb/tls/ca.crt", "/etc/keydb/tls/server.crt", "/etc/keydb/tls/server.key"
CUT = "nodes_test_cut"
UNIT = "keydb-healing"
# Later releases of redis-py introduce themselves by a command that the user load may not give.
NO_INTRODUCTION: dict[str, Any] = {
    name: None for name in ("lib_name", "lib_version") if name in signature(redis.Redis.__init__).parameters
}
STATE = "/var/lib/keydb-healing"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def client(address: str, port: int, password: str) -> redis.Redis:
    return redis.Redis(
        host=address,
        port=port,
        username="load",
        password=password,
        ssl=True,
        ssl_ca_certs=CA,
        ssl_certfile=CERTIFICATE,
        ssl_keyfile=KEY,
        socket_timeout=5,
        decode_responses=True,
        **NO_INTRODUCTION,
    )


def cut_off(peers: list[str], port: int) -> None:
    """Drop what this node's engine and the others' say to each other; for a minute at most, if nobody calls join."""
    run("systemd-run", "--quiet", "--collect", "--on-active=60", "nft", "delete", "table", "inet", CUT)
    run("nft", "add", "table", "inet", CUT)
    for hook, side in (("input", "saddr"), ("output", "daddr")):
        run("nft", "add", "chain", "inet", CUT, hook, f"{{ type filter hook {hook} priority -10 ; }}")
        for end in ("sport", "dport"):
            rule = f"ip {side} {{ {', '.join(peers)} }} tcp {end} {port} drop"
            run("nft", "add", "rule", "inet", CUT, hook, *rule.split())


def join() -> None:
    run("nft", "delete", "table", "inet", CUT)


def write(address: str, port: int, password: str, key: str, value: str) -> None:
    client(address, port, password).set(key, value)


def values(addresses: dict[str, str], port: int, password: str, key: str) -> dict[str, Any]:
    """What each node has under a key."""
    return {name: client(address, port, password).get(key) for name, address in addresses.items()}


def wait_until_equal(addresses: dict[str, str], port: int, password: str, key: str, wait: float) -> dict[str, Any]:
    """What each node has once all have the same, or after ``wait`` seconds.

    What was sent during a cut is sent once more seconds later, and may come after a repair; then the next one is due.
    """
    deadline = time.monotonic() + wait
    while True:
        found = values(addresses, port, password, key)
        if len(set(found.values())) == 1 or time.monotonic() > deadline:
            return found
        time.sleep(1)


def delete(address: str, port: int, password: str, key: str) -> None:
    """By its expiry: the user load may delete nothing."""
    client(address, port, password).set(key, "", px=1)


def describe() -> dict[str, Any]:
    """The timer and the service: their states, and how exposed the service is."""
    described: dict[str, Any] = {}
    for unit in (f"{UNIT}.timer", f"{UNIT}.service"):
        shown = run("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,Result", unit)
        described[unit] = dict(line.split("=", 1) for line in shown.splitlines())
    if described[f"{UNIT}.service"]["LoadState"] == "loaded":
        verdict = run("systemd-analyze", "security", "--no-pager", f"{UNIT}.service")
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", verdict)
        described["exposure"] = float(found.group(1)) if found else None
    return described


def wait_for_lines(cursor: str, pattern: str, wait: float) -> list[dict[str, Any]]:
    """What was said since then by healing, or of its unit, as of when a line matches, or after ``wait`` seconds.

    Picked out here: behind a cursor that its own filter leaves out, journalctl passes over the first line as well.
    """
    deadline = time.monotonic() + wait
    while True:
        said = run("journalctl", "--quiet", "--output=json", f"--after-cursor={cursor}")
        entries = [entry for entry in map(json.loads, said.splitlines()) if _is_healings(entry)]
        if any(re.search(pattern, entry["MESSAGE"]) for entry in entries) or time.monotonic() > deadline:
            return entries
        time.sleep(0.5)


def _is_healings(entry: dict[str, Any]) -> bool:
    unit = f"{UNIT}.service"
    return entry.get("SYSLOG_IDENTIFIER") == UNIT or unit in (entry.get("_SYSTEMD_UNIT"), entry.get("UNIT"))


def undo_files() -> list[dict[str, Any]]:
    """Of each file that undoes a repair: its path, its mode, and the first of its lines."""
    return [
        {
            "path": str(path),
            "mode": f"{path.stat().st_mode & 0o777:o}",
            "header": json.loads(path.read_text("utf-8").splitlines()[0]),
        }
        for path in sorted(Path(STATE).glob("undo-*.jsonl"))
    ]
