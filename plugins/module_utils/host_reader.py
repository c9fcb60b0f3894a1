"""Read a host, or the recording of one, by the same calls."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_COMMAND_WITHIN_S = 10.0
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HostReader:
    """What files and commands of a host say.

    ``root`` is ``/``, or the directory of a recording: its files lie there under their own paths, and what a command
    printed lies in ``answers/``, in a file named by the command's words with ``_`` for ``/``, such as
    ``answers/vcgencmd get_throttled``. A file or an answer that is not there is None, never an error: each caller says
    "unknown" in its own place.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = Path(root)
        self.is_recorded = self._root != Path("/")

    def text(self, path: str) -> str | None:
        """A file's text without NUL bytes and surrounding blanks; None if it is not there or cannot be read."""
        try:
            return self._at(path).read_text(errors="replace").replace("\0", "").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """A file's text as a whole number; None if it is not one."""
        try:
            return int(self.text(path) or "")
        except ValueError:
            return None

    def data(self, path: str) -> bytes | None:
        """A file's bytes, as a device tree has numbers; None if it is not there or cannot be read."""
        try:
            return self._at(path).read_bytes()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is such a file or directory."""
        return self._at(path).exists()

    def paths(self, pattern: str) -> list[str]:
        """Paths that match a glob pattern, sorted, as the host itself names them."""
        found = self._root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self._root)) for path in found)

    def target(self, path: str) -> str | None:
        """Name that a symbolic link ends in, such as that of a device's driver; None if it is not one."""
        link = self._at(path)
        return link.readlink().name if link.is_symlink() else None

    def resolved(self, path: str) -> str:
        """The path with every symbolic link followed, as the host itself names it; its end need not exist."""
        place, root = self._at(path).resolve(), self._root.resolve()
        return str(Path("/") / place.relative_to(root)) if place.is_relative_to(root) else path

    def answer(self, *command: str) -> str | None:
        """What a command prints, without surrounding blanks.

        None if it is not installed, fails, or does not end within ten seconds.
        """
        if self.is_recorded:
            return self.text("/answers/" + " ".join(command).replace("/", "_"))
        program = shutil.which(command[0], path=_SYSTEM_PATH)
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]],
                env={"PATH": _SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_COMMAND_WITHIN_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode(errors="replace").strip()

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")
