"""A search for secrets in every place where somebody else could see them. It runs on a node, as root.

What is searched for comes over the standard input. Each place must also hold something that is known to be there
(``known``): a search that finds nothing must not have looked at nothing.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

PIECE = 1 << 22


def private_key_lines(paths: list[str]) -> dict[str, str]:
    """Lines of the base64 text of private keys on this node."""
    lines = {}
    for path in paths:
        for number, line in enumerate(Path(path).read_text("utf-8").splitlines()):
            if len(line) >= 16 and not line.startswith("-----"):
                lines[f"{path} line {number}"] = line
    return lines


class Search:
    """Looks for texts by name, and notes where each was found."""

    def __init__(self, wanted: dict[str, str], known: str) -> None:
        self.wanted = {name: text.encode() for name, text in wanted.items()}
        self.known = known.encode()
        self.found: set[str] = set()
        self.saw_known = False
        self.looked_at = 0

    def look(self, where: str, content: bytes) -> None:
        self.looked_at += 1
        self.saw_known = self.saw_known or self.known in content
        self.found.update(f"{name} in {where}" for name, text in self.wanted.items() if text in content)

    def look_through(self, where: str, source: Any) -> None:
        """Look through a file object of any size, piece by piece."""
        overlap = max(len(text) for text in [*self.wanted.values(), self.known])
        rest = b""
        while True:
            piece = source.read(PIECE)
            if not piece:
                return
            self.look(where, rest + piece)
            rest = piece[-overlap:]

    def report(self) -> dict[str, Any]:
        return {"found": sorted(self.found), "saw_known": self.saw_known, "looked_at": self.looked_at}


def search_processes(wanted: dict[str, str], kind: str, known: str) -> dict[str, Any]:
    """Of every process its command line (``kind`` cmdline) or its environment (environ)."""
    search = Search(wanted, known)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            search.look(f"{kind} of process {process.name}", (process / kind).read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return search.report()


def search_units(wanted: dict[str, str], known: str) -> dict[str, Any]:
    """The text and all properties of every unit."""
    search = Search(wanted, known)
    listed = subprocess.run(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=service,socket,timer"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    for verb in ("cat", "show"):
        # cat ends with 1 because of units that are mentioned but not there.
        shown = subprocess.run(["systemctl", verb, "--", *names], capture_output=True, check=False)
        search.look(f"systemctl {verb}", shown.stdout)
    return search.report()


def search_journal(wanted: dict[str, str], known: str) -> dict[str, Any]:
    """The whole journal, with every field of every entry."""
    search = Search(wanted, known)
    with subprocess.Popen(["journalctl", "--quiet", "--output=export", "--all"], stdout=subprocess.PIPE) as journal:
        search.look_through("the journal", journal.stdout)
    if journal.returncode:
        raise RuntimeError(f"journalctl ended with {journal.returncode}")
    return search.report()


def search_files(
    directories: list[str], known: str, *, everywhere: dict[str, str], everybodys: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Every file below the directories for the one, and every file that everybody may read for the other as well."""
    all_files, readable = Search(everywhere, known), Search(everywhere | everybodys, known)
    for directory in directories:
        for parent, _, names in os.walk(directory):
            for name in names:
                path = Path(parent, name)
                try:
                    mode = path.lstat().st_mode
                    if stat.S_ISREG(mode):
                        with path.open("rb") as source:
                            (readable if mode & stat.S_IROTH else all_files).look_through(str(path), source)
                except FileNotFoundError:
                    continue  # it has been removed meanwhile
    return {"others": all_files.report(), "readable": readable.report()}


def files_named(name: str, directories: list[str]) -> list[str]:
    """Paths of files of this name below the directories."""
    return sorted(str(path) for directory in directories for path in Path(directory).rglob(name))
