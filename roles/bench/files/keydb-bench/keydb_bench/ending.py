"""Leaving a host as if there had been no run, also when nobody comes to ask for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keydb_bench import units
from keydb_bench.host import PROGRAM, CommandError, Host
from keydb_bench.listening import forget

UNIT_DIR = Path("/etc/systemd/system")
SOURCES = Path("/etc/apt/sources.list.d")
# Engines that were unpacked from archives.
OPT = Path("/opt/keydb")
END_TIMER, END_SERVICE = "keydb-bench-end.timer", "keydb-bench-end.service"
FIREWALL = "keydb_bench"
_NOTE = "before.json"
_REMOVE_WITHIN_S = 300.0


def note(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Write down what was there before engines are installed beside the cluster's own."""
    before = {"packages": _packages(host), "masks": _masks(UNIT_DIR), "sources": _names(SOURCES), "opt": _names(OPT)}
    (host.state_dir / _NOTE).write_text(json.dumps(before), encoding="utf-8")
    return {"packages": len(before["packages"])}


def close(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Let only the cluster network reach the ports of a run, until its end."""
    ports = f"{{ {host.first_port}, {host.first_port + 1} }}"
    rules = (
        f"table inet {FIREWALL}\ndelete table inet {FIREWALL}\ntable inet {FIREWALL} {{\n"
        "  chain input {\n    type filter hook input priority filter - 5; policy accept;\n"
        f"    ip saddr {host.network} ip daddr {host.address} tcp dport {ports} accept\n"
        f"    tcp dport {ports} drop\n  }}\n}}\n"
    )
    if host.has("nft"):
        host.run("nft", "--file", "-", told=rules)
    host.run(
        *("systemd-run", "--quiet", "--collect", f"--unit={END_SERVICE}", f"--on-active={given['after_s']}s"),
        *("python3", "-B", str(PROGRAM / "run.py"), "end"),
    )
    return {}


def end(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Stop all that runs, take away what was brought, and this program last. Returns ``problems`` in words."""
    problems: list[str] = []
    units.stop(host, units.ALL)
    host.tried("nft", "delete", "table", "inet", FIREWALL)
    shutil.rmtree(host.data, ignore_errors=True)
    noted = host.state_dir / _NOTE
    if noted.is_file():
        problems += _restore(host, json.loads(noted.read_text("utf-8")))
    if problems:
        # What is still there to be removed is known from here only.
        return {"problems": problems}
    for unit in units.LISTENERS.values():
        forget(unit)
    shutil.rmtree(host.state_dir, ignore_errors=True)
    shutil.rmtree(PROGRAM, ignore_errors=True)
    # The timer last: with the service it may be what runs this.
    host.tried("systemctl", "stop", END_TIMER)
    return {"problems": []}


def _restore(host: Host, before: Mapping[str, Any]) -> list[str]:
    added = sorted(set(_packages(host)) - set(before["packages"]))
    try:
        if added:
            host.run(
                *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "--yes", "--quiet"),
                *("-o", "DPkg::Lock::Timeout=120", *added),
                within_s=_REMOVE_WITHIN_S,
            )
    except CommandError as error:
        return [f"{', '.join(added)} are still installed: {error}"]
    for name in set(_masks(UNIT_DIR)) - set(before["masks"]):
        (UNIT_DIR / name).unlink(missing_ok=True)
    for name in set(_names(SOURCES)) - set(before["sources"]):
        (SOURCES / name).unlink(missing_ok=True)
    for name in set(_names(OPT)) - set(before["opt"]):
        shutil.rmtree(OPT / name, ignore_errors=True)
    host.tried("systemctl", "daemon-reload")
    return []


def _packages(host: Host) -> list[str]:
    told = host.run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${binary:Package}\n")
    return [line.split()[1] for line in told.splitlines() if line.startswith("ii")]


def _masks(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.is_symlink() and str(path.readlink()) == "/dev/null"]


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []
