"""What a host's journal says of a run: when services came and went, what listeners read, and what they counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FIELDS = (
    *("MESSAGE", "MESSAGE_ID", "UNIT", "_SYSTEMD_UNIT", "_SYSTEMD_INVOCATION_ID"),
    *("OBSERVER_LISTENER", "OBSERVER_WRITER", "OBSERVER_EPOCH", "OBSERVER_SEQ", "OBSERVER_MISSED"),
    "OBSERVER_SUPERSEDED",
)
# Of systemd's catalogue (sd-messages.h).
_WHAT = {
    "39f53479d3a045ac8e11786248231fbf": "started",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "98e322203f7a4ed290d09fe03c09fe15": "died",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
}
_READ = re.compile(r"\S+ (read \S+: writer timestamp|found on subscribing) ")
_TOLD = re.compile(r"\S+ read \S+: writer timestamp ")
_NOT_READ = re.compile(r"\S+ (missed|superseded) \d+ of ")
_WROTE = re.compile(r"\S+ wrote \S+: timestamp ")

Entry = Mapping[str, Any]


def following(units: Iterable[str]) -> list[str]:
    """The command that prints the journal of these units since the boot, and the service manager's about them.

    It goes on for ever. A journal may be kept in memory only and be gone after a reboot, whose beginning it tells.
    """
    command = ["journalctl", "--quiet", "--boot", "--follow", "--no-tail", "--output=json"]
    return [*command, f"--output-fields={','.join(_FIELDS)}", *(f"--unit={unit}" for unit in units)]


def kept(path: Path, since_ns: int) -> Iterator[Entry]:
    """What was printed into a file since then (Unix time), each entry once; a line that was cut off is not there."""
    seen = set()
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["__CURSOR"] not in seen and int(entry["__REALTIME_TIMESTAMP"]) * 1000 >= since_ns:
                # Whoever is started again begins with the boot again.
                seen.add(entry["__CURSOR"])
                yield entry


def says_what_it_is_for(entry: Entry) -> bool:
    """Whether this is a line of a listener that was told of a write, or of a writer that made one."""
    message = str(entry.get("MESSAGE", ""))
    return bool(_WROTE.match(message) or _TOLD.match(message))


@dataclass
class Account:
    """What one process of a listener says became of the writes from the first that it read on."""

    listener: str
    began_ns: int
    read: int = 0
    superseded: int = 0
    missed: int = 0
    ended_ns: int | None = None
    first: dict[str, int] | None = None
    last: dict[str, int] | None = None

    def add(self, what: str, entry: Entry) -> None:
        """Count ``read``, ``superseded`` or ``missed`` of a line."""
        if what == "read":
            self.last = {"epoch": int(entry["OBSERVER_EPOCH"]), "seq": int(entry["OBSERVER_SEQ"])}
            self.first = self.first or self.last
            self.read += 1
        elif self.first:
            # Of those before the first one nobody can tell how many there were.
            setattr(self, what, getattr(self, what) + int(entry[f"OBSERVER_{what.upper()}"]))


@dataclass
class Told:
    """All that is wanted of a journal, line by line. Times are Unix time in ns."""

    services: list[dict[str, Any]] = field(default_factory=list)
    reads: list[dict[str, Any]] = field(default_factory=list)
    writers: dict[int, int] = field(default_factory=dict)
    listeners: dict[str, Account] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """One entry, of which most say nothing that is wanted."""
        at_ns, message = int(entry["__REALTIME_TIMESTAMP"]) * 1000, str(entry.get("MESSAGE", ""))
        what = _WHAT.get(entry.get("MESSAGE_ID", ""))
        if what and "UNIT" in entry:
            self.services.append({"at_ns": at_ns, "unit": entry["UNIT"], "what": what, "detail": message})
        elif "OBSERVER_LISTENER" in entry and "OBSERVER_SEQ" in entry:
            self._listened(entry, at_ns, message)
        elif "OBSERVER_WRITER" in entry and _WROTE.match(message):
            epoch, seq = int(entry["OBSERVER_EPOCH"]), int(entry["OBSERVER_SEQ"])
            self.writers[epoch] = max(self.writers.get(epoch, 0), seq)

    def _listened(self, entry: Entry, at_ns: int, message: str) -> None:
        not_read = _NOT_READ.match(message)
        what = not_read[1] if not_read else "read" if _READ.match(message) else ""
        if not what:
            return
        listener = entry["OBSERVER_LISTENER"]
        process = f"{listener} {entry.get('_SYSTEMD_INVOCATION_ID', '')}"
        account = self.listeners.setdefault(process, Account(listener, began_ns=at_ns))
        account.add(what, entry)
        account.ended_ns = at_ns
        if what == "read":
            epoch, seq = int(entry["OBSERVER_EPOCH"]), int(entry["OBSERVER_SEQ"])
            self.reads.append({"at_ns": at_ns, "listener": listener, "epoch": epoch, "seq": seq})

    def accounts(self) -> dict[str, Any]:
        """As the judge reads them."""
        return {
            "writers": [{"epoch": epoch, "written": written} for epoch, written in self.writers.items()],
            "listeners": [
                {name: value for name, value in vars(account).items() if value is not None}
                for account in self.listeners.values()
                if account.first
            ],
        }
