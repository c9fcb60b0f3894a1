"""What a run says while it goes on: what it does at the moment, on a terminal, and what came of it, anywhere."""

from __future__ import annotations

import shutil
from typing import TextIO

_ERASE = "\r\x1b[K"


class Screen:
    """Writes to a terminal or to a file."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()

    def doing(self, text: str) -> None:
        """Stays until the next line. Not worth a line in a file."""
        if self._is_terminal:
            self._out.write(_ERASE + f"  {text} …"[: shutil.get_terminal_size().columns - 1])
            self._out.flush()

    def line(self, text: str = "") -> None:
        """Stays."""
        self._out.write((_ERASE if self._is_terminal else "") + text + "\n")
        self._out.flush()

    def heading(self, text: str) -> None:
        """A line with space above it."""
        self.line()
        self.line(text)


def milliseconds(duration_ns: float) -> str:
    """To three digits or so: ``0.123``, ``12.3``, ``1,234``."""
    duration = duration_ns / 1e6
    for most, digits in ((1, 3), (10, 2), (100, 1)):
        if abs(duration) < most:
            return f"{duration:.{digits}f}"
    return f"{duration:,.0f}"
