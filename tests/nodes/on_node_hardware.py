"""Questions about a node's kernel settings. They run on a node, as root."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

UNIT = "keydb-cluster-hardware.service"


def said(*command: str) -> str:
    """What a command prints, to standard output and standard error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip()


def settings() -> dict[str, Any]:
    """What the files for boot say, what is in force, and whether the kernel is this host's own."""
    sysctl = {}
    for line in Path("/etc/sysctl.d/60-keydb-cluster.conf").read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            sysctl[name] = value
    paths = {name: Path("/proc/sys", *name.split(".")) for name in sysctl}
    return {
        "sysctl": sysctl,
        "in_force": {name: path.read_text(encoding="ascii").strip() for name, path in paths.items() if path.exists()},
        "tmpfiles": Path("/etc/tmpfiles.d/keydb-cluster.conf").read_text(encoding="utf-8"),
        "is_container": Path("/run/systemd/container").exists(),
        "noted": Path("/var/lib/keydb-cluster-hardware.json").exists(),
        "enabled": said("systemctl", "is-enabled", UNIT),
        "verified": said("systemd-analyze", "verify", "--man=no", UNIT),
    }
