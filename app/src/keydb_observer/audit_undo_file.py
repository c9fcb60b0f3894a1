"""The file that can undo a repair: what every node had under each key, written before the key was changed.

JSON lines. The first has ``version`` and ``nodes`` (their names). Of a key there is one with ``key`` and, by node in
that order, ``had``: None where there was no such key, else ``dump`` (of the command DUMP) and ``pttl`` (ms; -1: never);
``changed`` are the nodes that something is written to, and ``at_ns`` is when (Unix time). Once all nodes are equal,
another line has ``repaired``, the key, with the ``type`` and ``digest`` that they were left with. Bytes are base64.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from keydb_observer.audit_reading import State

_VERSION = 1


class UndoFileError(Exception):
    """It cannot be written, or it is no such file. The text names it and says why."""


@dataclass(frozen=True)
class Copy:
    """What one node had: the reply to DUMP, and how long it had to live in ms (-1: for ever)."""

    dump: bytes
    pttl: int


Copies = tuple[Copy | None, ...]
"""By place; None where a node did not have the key."""


@dataclass(frozen=True)
class Record:
    """Of one key. ``at_ns`` is Unix time, ``changed`` are places of nodes."""

    key: bytes
    had: Copies
    changed: tuple[int, ...]
    at_ns: int


class UndoFile:
    """Is made when there is something to keep, and never over a file that is there. Raises UndoFileError."""

    def __init__(self, path: Path, nodes: Sequence[str]) -> None:
        self.path = path
        self._nodes = nodes
        self._file: TextIO | None = None

    @property
    def is_made(self) -> bool:
        """Whether there was something to keep."""
        return self._file is not None

    def keep(self, records: Sequence[Record]) -> None:
        """Returns once they are on the disk."""
        if self._file is None:
            self._file = self._make()
            self._write({"version": _VERSION, "nodes": list(self._nodes)})
        for record in records:
            had = [copy and {"dump": _text(copy.dump), "pttl": copy.pttl} for copy in record.had]
            self._write({"key": _text(record.key), "had": had, "changed": list(record.changed), "at_ns": record.at_ns})
        self._flush()

    def repaired(self, key: bytes, left: State) -> None:
        """All nodes hold this now."""
        self._write({"repaired": _text(key), "type": left.kind, "digest": left.digest.hex()})

    def close(self) -> None:
        """Writes what is still to be written."""
        if self._file:
            self._flush()
            self._file.close()

    def _make(self) -> TextIO:
        try:
            # It has values of all nodes in it: nobody else is to read it.
            self.path.touch(mode=0o600, exist_ok=False)
            return self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise UndoFileError(f"{self.path}: {error.strerror}") from None

    def _write(self, line: dict[str, Any]) -> None:
        if self._file:
            try:
                self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            except OSError as error:
                raise UndoFileError(f"{self.path}: {error.strerror}") from None

    def _flush(self) -> None:
        if self._file:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise UndoFileError(f"{self.path}: {error.strerror}") from None


@dataclass(frozen=True)
class Undo:
    """A file, and what it says about its keys: ``left`` is what a repair left under each of them, if it ended."""

    path: Path
    nodes: tuple[str, ...]
    left: dict[bytes, State]

    @classmethod
    def read(cls, path: Path) -> Undo:
        """Raises UndoFileError."""
        lines = _lines(path)
        header = next(lines, {})
        if header.get("version") != _VERSION or not isinstance(header.get("nodes"), list):
            raise UndoFileError(f"{path}: it is not a file that a repair wrote")
        left = {}
        for line in lines:
            if "repaired" in line:
                left[b64decode(line["repaired"])] = State(line["type"], bytes.fromhex(line["digest"]))
        return cls(path, tuple(map(str, header["nodes"])), left)

    def records(self) -> Iterator[Record]:
        """In the order in which they were written. Of a key that was repaired in several attempts, the first."""
        seen = set()
        for line in _lines(self.path):
            if "key" in line and line["key"] not in seen:
                seen.add(line["key"])
                had = tuple(copy and Copy(b64decode(copy["dump"]), copy["pttl"]) for copy in line["had"])
                yield Record(b64decode(line["key"]), had, tuple(line["changed"]), line["at_ns"])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """A last line that was cut off is left out."""
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                if not text.endswith("\n"):
                    return
                line = json.loads(text)
                if not isinstance(line, dict):
                    raise UndoFileError(f"{path}: it is not a file that a repair wrote")
                yield line
    except OSError as error:
        raise UndoFileError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise UndoFileError(f"{path}: it is not a file that a repair wrote") from None


def _text(data: bytes) -> str:
    return b64encode(data).decode()
