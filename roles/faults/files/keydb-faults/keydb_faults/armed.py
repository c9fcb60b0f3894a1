"""What is in force on this host, and undoing it.

What is about to be done is written down and a timer is started before anything is touched. The timer undoes it should
nobody else, and so does every boot, so that neither a killed controller nor a reboot leaves anything behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keydb_faults.host import CommandError, Host, tell
from keydb_faults.kinds.kind import Kind

UNDO = "keydb-faults-undo"
END = "keydb-faults-end"
_ARMED, _LOCK = "armed.json", "lock"
_TRIES, _TRY_AGAIN_S = 3, 1.0


@dataclass(frozen=True)
class InForce:
    """One fault: its kind, what it was given, and what it kept to be undone."""

    kind: str
    given: Mapping[str, Any]
    kept: Mapping[str, Any]


@contextlib.contextmanager
def locked(host: Host) -> Iterator[None]:
    """One at a time: whoever undoes, and whoever begins."""
    host.state.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (host.state / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def arm(host: Host, faults: Sequence[InForce]) -> None:
    """Write down what is about to be done, to the disk, and have it undone in a while."""
    new = host.state / f".{_ARMED}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump([{"kind": each.kind, "given": each.given, "kept": each.kept} for each in faults], file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(host.state / _ARMED)
    # Not start: one that already runs would not count anew. A host that has just booted, and starts them itself, may
    # fail at it once.
    _insist(host, "systemctl", "restart", f"{UNDO}.timer", f"{END}.timer")


def _insist(host: Host, *command: str) -> None:
    for _ in range(_TRIES - 1):
        try:
            host.run(*command)
        except CommandError:
            time.sleep(_TRY_AGAIN_S)
        else:
            return
    host.run(*command)


def undo(host: Host, kinds: Mapping[str, Kind]) -> list[str]:
    """Undo what is in force, the last first; returns what could not be, in words.

    What could not be undone stays written down, for the timer to try again.
    """
    with locked(host):
        left = []
        problems = []
        for each in reversed(in_force(host.state)):
            try:
                kinds[each.kind].undo(host, each.given, each.kept)
            except (CommandError, OSError) as error:
                left.append(each)
                problems.append(f"{each.kind} is not undone: {error}")
                tell(problems[-1])
        if left:
            arm(host, left[::-1])
        else:
            (host.state / _ARMED).unlink(missing_ok=True)
            host.tried("systemctl", "stop", f"{UNDO}.timer")
    return problems


def in_force(state: Path) -> list[InForce]:
    """What is written down; nothing if nothing is."""
    try:
        found = json.loads((state / _ARMED).read_text("utf-8"))
    except FileNotFoundError:
        return []
    return [InForce(each["kind"], each["given"], each["kept"]) for each in found]
