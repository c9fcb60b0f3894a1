"""Who serves time to the cluster network, and how often it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .model import NODES, Inventory
from .problem import Problem, shown

# A server's stratum is its place in the list, and there are few strata.
_MOST_SERVERS = 4
_HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9:])?")


def server_problems(inventory: Inventory) -> Iterator[Problem]:
    """time_sync_servers names nodes that serve time, each once."""
    name = "time_sync_servers"
    for host, servers in _enabled(inventory, name):
        allowed = f"1 to {_MOST_SERVERS} inventory names of: {', '.join(inventory.nodes)}"
        if not 1 <= len(servers) <= _MOST_SERVERS:
            yield Problem(name, host, shown(servers), allowed, "names no server" if not servers else "names too many")
        for index, server in enumerate(servers):
            variable = f"{name}[{index}]"
            if server not in inventory.nodes:
                yield Problem(variable, host, shown(server), allowed, f"is not a host of {NODES}")
            elif server in servers[:index]:
                yield Problem(variable, host, shown(server), "each server once", "is there twice")
            elif inventory.get(server, "time_sync_enabled") is False:
                allowed_here = f"a node with time_sync_enabled: true, not {server}"
                yield Problem(variable, host, shown(server), allowed_here, "serves no time (time_sync_enabled)")


def upstream_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each upstream source is a name or an address, without options."""
    name = "time_sync_upstream"
    for host, sources in _enabled(inventory, name):
        for index, source in enumerate(sources):
            if not _HOST.fullmatch(str(source)):
                allowed = "a host name or an IP address, without options"
                yield Problem(f"{name}[{index}]", host, shown(source), allowed, "is no host")


def poll_problems(inventory: Inventory) -> Iterator[Problem]:
    """The shortest interval is not longer than the longest."""
    for host, shortest in _enabled(inventory, "time_sync_minpoll"):
        longest = inventory.get(host, "time_sync_maxpoll")
        if longest is not None and shortest > longest:
            allowed = f"at most time_sync_maxpoll, {longest}"
            yield Problem("time_sync_minpoll", host, shown(shortest), allowed, "is longer than the longest interval")


def extra_config_problems(inventory: Inventory) -> Iterator[Problem]:
    """A further line is one line. What is in it chronyd itself proves before it is installed."""
    name = "time_sync_extra_config"
    for host, lines in _enabled(inventory, name):
        for index, line in enumerate(lines):
            if len(str(line).splitlines()) != 1:
                yield Problem(f"{name}[{index}]", host, shown(line), "one line of text", "is not one line")


def _enabled(inventory: Inventory, name: str) -> Iterator[tuple[str, Any]]:
    for host, value in inventory.values(name):
        if inventory.get(host, "time_sync_enabled") is not False:
            yield host, value


RULES = (server_problems, upstream_problems, poll_problems, extra_config_problems)
