"""Messages between the workers of one task, each of which holds the connection to one host."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

_BYTES = 1 << 16
_MEET_WITHIN_S = 60.0
_RETRY_S = 0.1


class Line:
    """One end of a line. A message is a line of JSON; an end that is gone raises EOFError."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""

    def send(self, message: dict[str, Any]) -> None:
        """Raises EOFError."""
        self._end.settimeout(None)
        try:
            self._end.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise EOFError(str(error)) from None

    def receive(self, within_s: float | None = None) -> dict[str, Any]:
        """The next message. Raises EOFError, TimeoutError."""
        self._end.settimeout(within_s)
        while b"\n" not in self._rest:
            try:
                received = self._end.recv(_BYTES)
            except TimeoutError:
                raise TimeoutError(f"no answer within {within_s:g} s") from None
            except OSError as error:
                raise EOFError(str(error)) from None
            if not received:
                raise EOFError("the other end is gone")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """The other end sees it."""
        self._end.close()


def meet(path: Path, others: int) -> dict[str, Line]:
    """Wait for so many others, who say their names. Raises TimeoutError."""
    lines: dict[str, Line] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(others)
        listening.settimeout(_MEET_WITHIN_S)
        while len(lines) < others:
            line = Line(listening.accept()[0])
            lines[str(line.receive(_MEET_WITHIN_S)["name"])] = line
    return lines


def join(path: Path, name: str) -> Line:
    """Come to the place where others meet, as ``name``. Raises TimeoutError if nobody is there."""
    deadline = time.monotonic() + _MEET_WITHIN_S
    while True:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            end.connect(str(path))
        except OSError as error:
            end.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody is at {path}: {error}") from None
            time.sleep(_RETRY_S)
            continue
        line = Line(end)
        line.send({"name": name})
        return line
