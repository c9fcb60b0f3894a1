"""Questions to the packet filter, and connections by ways that must be closed. They run on a node, as root."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TABLE = "keydb_cluster"
FOREIGN = "nodes_test"
UNIT = "keydb-cluster-firewall.service"
MARK = "0x6b64"
"""Marks packets of the test, for a routing table of their own (as decimal): nobody else's way changes."""


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def tables() -> list[str]:
    """Every table as ``family name``."""
    listed = json.loads(run("nft", "--json", "list", "tables"))["nftables"]
    return [f"{each['table']['family']} {each['table']['name']}" for each in listed if "table" in each]


def dropped() -> int:
    """Packets that our table has dropped."""
    listed = json.loads(run("nft", "--json", "list", "table", "inet", TABLE))["nftables"]
    expressions = [each for item in listed if "rule" in item for each in item["rule"]["expr"]]
    return sum(each["counter"]["packets"] for each in expressions if isinstance(each.get("counter"), dict))


def rules(table: str) -> list[str]:
    """Lines of a table without its counters."""
    listed = run("nft", "--stateless", "list", "table", *table.split())
    return [line.strip() for line in listed.splitlines() if line.strip()]


@contextlib.contextmanager
def foreign_table() -> Iterator[None]:
    """A table as somebody else may have, taken away again."""
    run("nft", "add", "table", "inet", FOREIGN)
    run("nft", "add", "chain", "inet", FOREIGN, "watch", "{ type filter hook input priority 5 ; }")
    run("nft", "add", "rule", "inet", FOREIGN, "watch", "counter")
    try:
        yield
    finally:
        if f"inet {FOREIGN}" in tables():
            run("nft", "delete", "table", "inet", FOREIGN)


def reload_beside_foreign_table() -> dict[str, Any]:
    """Tables, and the foreign one's rules, before and after our unit is reloaded, restarted and stopped."""
    seen: dict[str, Any] = {}
    with foreign_table():
        seen["before"] = rules(f"inet {FOREIGN}")
        for verb in ("reload", "restart", "stop"):
            try:
                run("systemctl", verb, UNIT)
                seen[verb] = {"tables": tables(), "foreign": rules(f"inet {FOREIGN}")}
            finally:
                if verb == "stop":
                    run("systemctl", "start", UNIT)
    return seen


def settled() -> str:
    """State of our unit once it is no longer on its way to another."""
    for _ in range(50):
        state = subprocess.run(["systemctl", "is-active", UNIT], capture_output=True, text=True, check=False)
        if not state.stdout.strip().endswith("ing"):
            break
        time.sleep(0.1)
    return state.stdout.strip()


def flush_by_nftables() -> dict[str, Any]:
    """What is left of our table after each thing that the distribution's nftables.service may do.

    That service flushes everything whenever it is started or reloaded. It and all other tables are left as they were.
    """
    was = subprocess.run(["systemctl", "is-active", "nftables"], capture_output=True, text=True, check=False)
    others = {table: run("nft", "list", "table", *table.split()) for table in tables() if table != f"inet {TABLE}"}
    seen: dict[str, Any] = {"before": rules(f"inet {TABLE}")}
    try:
        run("systemctl", "stop", "nftables.service")
        run("systemctl", "restart", UNIT)
        # It was not running before the first of these.
        for verb in ("start", "reload", "restart"):
            run("systemctl", verb, "nftables.service")
            state = settled()
            seen[verb] = {"unit": state, "rules": rules(f"inet {TABLE}") if f"inet {TABLE}" in tables() else []}
    finally:
        if was.stdout.strip() != "active":
            run("systemctl", "stop", "nftables.service")
        subprocess.run(["systemctl", "reset-failed", UNIT], capture_output=True, check=False)
        run("systemctl", "restart", UNIT)
        for table in set(others) - set(tables()):
            run("nft", "-f", "-", given=others[table])
    return seen


def connects(target: str, port: int, source: str, mark: bool) -> str:
    """``connected``, or the error of an attempt to connect within a second."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        if mark:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(MARK, 16))
        attempt.bind((source, 0))
        try:
            attempt.connect((target, port))
        except OSError as error:
            return type(error).__name__
        return "connected"


def try_ways(target: str, via: str, port: int, own: str, own_management: str) -> dict[str, str]:
    """Try to reach a node's engine at its address over the cluster network, and over the management network.

    Over the management network with our address there, and with our address on the cluster network as a forger would.
    """
    table = str(int(MARK, 16))
    (route,) = json.loads(run("ip", "-json", "route", "get", via))
    ways = {
        "cluster network": (target, port, own, False),
        "management address": (via, port, own_management, False),
        "management network": (target, port, own_management, True),
        "management network, forged source": (target, port, own, True),
    }
    run("ip", "rule", "add", "fwmark", MARK, "lookup", table)
    try:
        run("ip", "route", "add", f"{target}/32", "via", via, "dev", route["dev"], "table", table)
        with ThreadPoolExecutor() as pool:
            waiting = {way: pool.submit(connects, *arguments) for way, arguments in ways.items()}
            return {way: each.result() for way, each in waiting.items()}
    finally:
        run("ip", "rule", "del", "fwmark", MARK, "lookup", table)
        subprocess.run(["ip", "route", "flush", "table", table], capture_output=True, check=False)
