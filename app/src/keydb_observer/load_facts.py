"""On what a load was made: this host, the versions of what took part, and the servers' own."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hiredis
from redis import exceptions as redis_errors

from keydb_observer import __version__
from keydb_observer.node_facts import NodeFacts, parse_info
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose
from keydb_observer.wire import AsyncLink


def host_facts() -> dict[str, object]:
    """This host's name, processors, kernel and memory (bytes); None is what it does not tell."""
    return {
        "hostname": socket.gethostname(),
        "cpus": os.cpu_count(),
        "cpu_model": _cpu_model(),
        "machine": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "memory_bytes": _memory_bytes(),
    }


def program_versions() -> dict[str, str]:
    """Of this program and what it is run by."""
    return {
        "keydb_observer": __version__,
        "python": platform.python_version(),
        "hiredis": hiredis.__version__,
    }


async def server_versions(node: Node, settings: Settings) -> dict[str, str]:
    """``engine`` and ``version``, as far as this user may know; or ``unreachable`` with the reason."""
    try:
        link = await AsyncLink.connect(node, settings, settings.name)
        try:
            return await _versions(link)
        finally:
            link.close()
    except (redis_errors.RedisError, OSError, asyncio.TimeoutError, ValueError) as error:
        return {"unreachable": diagnose(error).text}


async def _versions(link: AsyncLink) -> dict[str, str]:
    try:
        info = NodeFacts.from_info(parse_info(await link.call(("INFO",))), node_count=1)
    except redis_errors.NoPermissionError:
        # Everybody may ask for this, but KeyDB and Valkey can hide behind the name of Redis there.
        hello: Mapping[bytes, Any] = await link.call(("HELLO", 3))
        return {"engine": hello[b"server"].decode(), "version": hello[b"version"].decode()}
    return {"engine": info.engine, "version": info.version}


def _cpu_model() -> str | None:
    # Boards say their own name there, where a PC has its processor's.
    found = dict(_fields("/proc/cpuinfo"))
    return found.get("Model") or found.get("model name")


def _memory_bytes() -> int | None:
    words = dict(_fields("/proc/meminfo")).get("MemTotal", "").split()
    return int(words[0]) * 1024 if words else None


def _fields(path: str) -> list[tuple[str, str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
