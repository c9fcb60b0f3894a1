"""This host: what the controller says of it, and the commands that are run on it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PROGRAM = Path("/usr/local/libexec/keydb-faults")
STATE = Path("/var/lib/keydb-faults")
SETTINGS = "host.json"

_COMMAND_WITHIN_S = 20.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_SAID = 300


class CommandError(Exception):
    """A command did not do what it was to do; the text is what it said."""


def tell(*words: str) -> None:
    """Whoever has started this, and who may be gone by now: what there is to undo is undone all the same."""
    with contextlib.suppress(OSError):
        print(*words, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Host:
    """``is_restarted_from_outside``: after a reboot it is the controller that switches it on.

    ``state`` is a directory that outlives a reboot. ``observers`` are the units of this host's observers.
    """

    name: str
    address: str
    port: int
    service: str
    data_dir: str
    tls_dir: str
    observer: str
    observer_tls_dir: str
    password_file: str
    storm_dir: str
    storm_unit: str
    journal_unit: str
    observers: Sequence[str] = ()
    is_restarted_from_outside: bool = False
    state: Path = STATE

    @classmethod
    def here(cls, program: Path = PROGRAM) -> Host:
        """As the controller has written it down beside the program."""
        return cls(**json.loads((program / SETTINGS).read_text("utf-8")))

    @property
    def samples(self) -> Path:
        """What the storm writes down of this host's node, five times a second."""
        return Path(self.storm_dir) / "samples.jsonl"

    @property
    def journal(self) -> Path:
        """What the journal said of our units, kept where it outlives a reboot."""
        return self.state / "journal.jsonl"

    @property
    def expired_certificate(self) -> Path:
        """Brought by the controller, where it could make one."""
        return self.state / "expired.crt"

    def run(self, *command: str, told: str = "", within_s: float = _COMMAND_WITHIN_S) -> str:
        """What a command prints, given ``told`` on its standard input. Raises CommandError."""
        tell("+", *command)
        environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command, input=told, env=environment, capture_output=True, text=True, timeout=within_s, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandError(str(error)) from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"
            raise CommandError(f"{command[0]}: {said[:_LONGEST_SAID]}")
        return done.stdout

    def tried(self, *command: str) -> None:
        """Run a command that may fail, and tell the journal if it does."""
        with contextlib.suppress(CommandError):
            self.run(*command)

    def has(self, program: str) -> bool:
        """Whether a program is installed."""
        return shutil.which(program, path=_PATH) is not None

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd prints it; empty if it has none."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def kill(self, unit: str, number: signal.Signals) -> str:
        """Send a signal to the main process of a unit. Returns which that was; raises CommandError without one."""
        process = int(self.property(unit, "MainPID") or 0)
        if not process:
            raise CommandError(f"{unit} does not run")
        os.kill(process, number)
        return f"process {process}"

    @cached_property
    def is_container(self) -> bool:
        """Whether the kernel, its clock and its memory are others' too."""
        try:
            self.run("systemd-detect-virt", "--quiet", "--container")
        except CommandError:
            return False
        return True

    def interface(self) -> str:
        """The interface that has the node's address; empty if none has it."""
        for link in json.loads(self.run("ip", "-json", "-4", "address", "show")):
            if any(address.get("local") == self.address for address in link.get("addr_info", [])):
                return str(link["ifname"])
        return ""

    def available_memory(self) -> int:
        """Bytes that could still be had."""
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def boot(self) -> dict[str, Any]:
        """What tells this start from all others: of the kernel, and of the first process, which a container has too."""
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # The 22nd word; the name, in parentheses, may hold blanks.
        first = Path("/proc/1/stat").read_text("utf-8").rpartition(")")[2].split()[19]
        return {"kernel": kernel, "first_process": first}

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for a moment, which only root can read."""
        with tempfile.TemporaryDirectory(prefix="keydb-faults-") as directory:
            yield Path(directory)
