"""Files of JSON lines, one object a line: added to one by one, and read again even where a line was cut off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_Line = TypeVar("_Line")
encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class LineFile:
    """Only ever added to. Making one opens the file; raises OSError.

    What the disk does not take for now waits here, in its order, for ``flush`` to try again. Beyond ``most_waiting``
    bytes, new lines are given up; None: never.
    """

    def __init__(self, path: Path, most_waiting: int | None = None) -> None:
        self.error: OSError | None = None
        self._most_waiting = most_waiting
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        # A line that a kill has cut off must not spoil the next one.
        self._waiting = bytearray(b"" if _ends_well(path) else b"\n")

    def add(self, content: object) -> bool:
        """Adds this as a line. Returns whether the operating system has taken it, and all before it."""
        if self._most_waiting is None or len(self._waiting) < self._most_waiting:
            self._waiting += encode(content) + b"\n"
        return self.flush()

    def flush(self) -> bool:
        """Returns whether nothing waits any more; else ``error`` says why."""
        try:
            while self._waiting:
                # A disk that is nearly full takes a part.
                del self._waiting[: os.write(self._file, self._waiting)]
        except OSError as error:
            self.error = error
            return False
        self.error = None
        return True

    def close(self) -> None:
        """Tries once more to get rid of what waits."""
        self.flush()
        os.close(self._file)


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def each_line(path: Path, kind: type[_Line]) -> Iterator[_Line | None]:
    """The lines in their order; None for one that is not of this kind: cut off, or something else. Raises OSError."""
    decode = msgspec.json.Decoder(kind).decode
    with path.open("rb") as file:
        for line in file:
            try:
                yield decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                # An empty line is what the next process put behind one that was whole after all.
                if line.strip():
                    yield None


def read_lines(path: Path, kind: type[_Line]) -> tuple[list[_Line], int]:
    """The lines that are of this kind, and how many are not. Raises OSError."""
    lines = list(each_line(path, kind))
    found = [line for line in lines if line is not None]
    return found, len(lines) - len(found)
