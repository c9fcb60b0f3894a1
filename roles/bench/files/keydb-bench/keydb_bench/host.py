"""This host: what the controller says of it, and the commands that are run on it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path("/usr/local/libexec/keydb-bench")
SETTINGS = "host.json"

_COMMAND_WITHIN_S = 20.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_SAID = 400


class CommandError(Exception):
    """A command did not do what it was to do; the text is what it said."""


@dataclass(frozen=True)
class Host:
    """``engines`` are by name: the paths of ``server`` and ``benchmark``, and the directive that sets ``threads``.

    Directories: ``state`` and ``data`` are this run's own, the others are the cluster's. ``lasts_s`` is after how many
    seconds what a run has started ends by itself. ``first_port`` is the server's, the next one that of link tests.
    """

    name: str
    address: str
    network: str
    first_port: int
    user: str
    server_tls: str
    client_tls: str
    observer: str
    state: str
    data: str
    maxmemory_mb: int
    appendfsync: str
    lasts_s: int
    engines: Mapping[str, Mapping[str, str]]

    @classmethod
    def here(cls, program: Path = PROGRAM) -> Host:
        """As the controller has written it down beside the program."""
        return cls(**json.loads((program / SETTINGS).read_text("utf-8")))

    @property
    def state_dir(self) -> Path:
        """What is this run's own, but for the servers' data."""
        return Path(self.state)

    @property
    def password_file(self) -> Path:
        """Of the one user that this run's servers have. It is theirs alone, and dies with them."""
        return self.state_dir / "password"

    @property
    def observer_python(self) -> Path:
        """The Python that the observers are installed in."""
        return Path(self.observer).resolve().parent / "python"

    def run(self, *command: str, told: str = "", within_s: float = _COMMAND_WITHIN_S) -> str:
        """What a command prints, given ``told`` on its standard input. Raises CommandError."""
        print("+", *command, file=sys.stderr, flush=True)
        environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command, input=told, env=environment, capture_output=True, text=True, timeout=within_s, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandError(str(error)) from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"
            raise CommandError(f"{command[0]}: {said[-_LONGEST_SAID:]}")
        return done.stdout

    def tried(self, *command: str, within_s: float = _COMMAND_WITHIN_S) -> None:
        """Run a command that may fail."""
        with contextlib.suppress(CommandError):
            self.run(*command, within_s=within_s)

    def has(self, program: str) -> bool:
        """Whether a program is installed."""
        return shutil.which(program, path=_PATH) is not None

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd prints it; empty if it has none."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def interface(self) -> str:
        """The interface that has the host's address on the cluster network; empty if none has it."""
        for link in json.loads(self.run("ip", "-json", "-4", "address", "show")):
            if any(address.get("local") == self.address for address in link.get("addr_info", [])):
                return str(link["ifname"])
        return ""

    def facts(self) -> dict[str, Any]:
        """What a result says of its hosts."""
        release = dict(
            line.split("=", 1) for line in Path("/etc/os-release").read_text("utf-8").splitlines() if "=" in line
        )
        try:
            self.run("systemd-detect-virt", "--quiet", "--container")
            in_container = True
        except CommandError:
            in_container = False
        return {
            "processors": len(os.sched_getaffinity(0)),
            "memory_mb": memory("MemTotal") >> 20,
            "available_mb": memory("MemAvailable") >> 20,
            "free_mb": shutil.disk_usage(Path(self.data).parent).free >> 20,
            "kernel": os.uname().release,
            "system": f"{release.get('NAME', '')} {release.get('VERSION_ID', '')}".replace('"', "").strip(),
            "address": self.address,
            "in_container": in_container,
        }


def memory(name: str) -> int:
    """Bytes, by a name of /proc/meminfo; 0 if it is not there."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
