"""A server of a run on this host: started in a way that is wanted, looked at, and stopped."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keydb_bench import units
from keydb_bench.engine_config import Variant, configuration, users
from keydb_bench.host import CommandError, Host, memory

_READY_WITHIN_S = 30.0
_LOOK_S = 0.05
_GUARD = Path("/usr/local/libexec/keydb-guard")
_FIFO = ("CPUSchedulingPolicy=fifo", "CPUSchedulingPriority=1")
# Beyond its data a server has buffers, tables and its own code.
_BESIDES_DATA_MB = 512
_LARGEST_FILE_MB = 3072
_TICKS = os.sysconf("SC_CLK_TCK")


def serve(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Start a server, in place of one that is still there. Returns ``version``; raises CommandError."""
    variant = Variant.of(given)
    unserve(host, {})
    data = Path(host.data)
    data.mkdir(mode=0o700)
    shutil.chown(data, host.user, host.user)
    password = host.password_file.read_text("utf-8").strip()
    for name, content in (
        ("server.conf", configuration(host, variant, password)),
        ("users.acl", users(variant, password)),
    ):
        _write(host.state_dir / name, content, host.user)
    engine = host.engines[variant.engine]
    properties = [
        f"User={host.user}",
        f"Group={host.user}",
        f"ReadWritePaths={host.data}",
        f"MemoryMax={host.maxmemory_mb + _BESIDES_DATA_MB}M",
        "LimitNOFILE=8192",
        # The largest that its append-only file may come to be.
        f"LimitFSIZE={_LARGEST_FILE_MB}M",
        # Nothing that it has is worth keeping, and one that writes its first append-only file heeds no SIGTERM.
        "KillSignal=SIGKILL",
        *(_FIFO if variant.scheduling == "fifo" else ()),
    ]
    command = units.arguments(host, units.SERVER, "Server of a benchmark", *properties)
    # Hosts of a KeyDB cluster have it; its docstring says what servers that follow others need it for.
    guard = ["/usr/bin/python3", "-B", str(_GUARD)] if variant.sources and _GUARD.is_file() else []
    host.run(*command, *guard, engine["server"], str(host.state_dir / "server.conf"))
    _await_port(host)
    return {"version": version(host, engine["server"])}


def version(host: Host, server: str) -> str:
    """Of an engine, as its server says it; empty if it does not."""
    found = re.search(r"\bv=([0-9][^\s]*)", host.run(server, "--version"))
    return found[1] if found else ""


def unserve(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the server, and forget its data."""
    units.stop(host, [units.SERVER])
    shutil.rmtree(host.data, ignore_errors=True)
    return {}


def used(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """What the server and the interface have used so far: ``cpu_s``, ``sent_bytes`` of the interface, ``at_s``."""
    process = host.property(units.SERVER, "MainPID")
    cpu_s = 0.0
    if process not in ("", "0"):
        # proc(5): the command may hold spaces and brackets; after it, the 12th and 13th fields are utime and stime.
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS
    interface = host.interface()
    sent = Path(f"/sys/class/net/{interface}/statistics/tx_bytes")
    return {
        "cpu_s": cpu_s,
        "sent_bytes": int(sent.read_text("ascii")) if interface else 0,
        "at_s": time.monotonic(),
        "available_mb": memory("MemAvailable") >> 20,
    }


def why_not_fifo(host: Host) -> str:
    """Why this host has no real-time scheduling to give; empty if it has."""
    command = units.arguments(host, units.WORK, "Look for real-time scheduling", *_FIFO, f"User={host.user}")
    try:
        host.run(*command, "--wait", "true")
    except CommandError as error:
        runtime = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
        group = "; its group of processes has no real-time budget" if runtime.is_file() else ""
        return f"the host refuses real-time scheduling ({error}){group}"
    return ""


def _write(path: Path, content: str, group: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    shutil.chown(path, "root", group)
    path.chmod(0o640)


def _await_port(host: Host) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            socket.create_connection((host.address, host.first_port), 1).close()
        except OSError as error:
            state = host.property(units.SERVER, "ActiveState")
            if state != "active" or time.monotonic() > deadline:
                raise CommandError(
                    f"the server does not answer ({error}), it is {state or 'gone'}: {units.why(host, units.SERVER)}"
                ) from None
            time.sleep(_LOOK_S)
        else:
            return
