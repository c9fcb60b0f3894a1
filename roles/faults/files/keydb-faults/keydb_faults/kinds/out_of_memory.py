"""The kernel ends the server for want of memory: of memory that its unit may have, not of the host's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind

_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = ("MemoryMax", "MemorySwapMax")
_DROP_INS = Path("/run/systemd/system.control")


class OutOfMemory(Kind):
    """Its unit may have half of what it has now. Nothing else on the host is short of anything."""

    name = "out_of_memory"
    about = "the kernel kills the server for want of memory: its unit's limit falls to half of what it uses"
    takes_down = True

    def why_not(self, host: Host) -> str:
        """Some containers, and hosts without cgroup v2, hold no unit to a limit."""
        if (self._group(host) / "memory.max").is_file():
            return ""
        return "units are not held to their memory limits here"

    def prepare(self, host: Host, given: Given) -> dict[str, Any]:  # noqa: ARG002 - as the base has it
        """The limits as they are; ``infinity`` for none."""
        return {limit: host.property(host.service, limit) for limit in _LIMITS}

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """Without swapping, which would only slow it down."""
        used = int((self._group(host) / "memory.current").read_text("ascii"))
        self._limit(host, {"MemoryMax": str(used // 2), "MemorySwapMax": "0"})
        return f"{used >> 21} MiB"

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """The old limits now, then what says so away, for that would stay until the next boot."""
        self._limit(host, {limit: kept[limit] for limit in _LIMITS})
        for limit in _LIMITS:
            (_DROP_INS / f"{host.service}.d" / f"50-{limit}.conf").unlink(missing_ok=True)
        host.run("systemctl", "daemon-reload")

    def _group(self, host: Host) -> Path:
        return _CGROUPS / host.property(host.service, "ControlGroup").lstrip("/")

    def _limit(self, host: Host, limits: dict[str, str]) -> None:
        words = [f"{limit}={value}" for limit, value in limits.items()]
        host.run("systemctl", "set-property", "--runtime", host.service, *words)
