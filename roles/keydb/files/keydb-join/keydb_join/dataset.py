"""The server's files: set aside while a node joins, and put back where that came to nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_FILES = ("dump.rdb", "appendonly.aof")
_ASIDE = "before-join"
_MOVING, _MOVED = "moving", "moved"


@dataclass(frozen=True)
class Dataset:
    """The files in the server's working directory. All methods raise OSError."""

    directory: Path

    @property
    def aside(self) -> Path:
        """Where the files of the last time are kept, until the next time."""
        return self.directory / _ASIDE

    def exists(self) -> bool:
        """Whether there is anything that the server would load."""
        return any(path.stat().st_size > 0 for path in self._present(self.directory))

    def set_aside(self) -> None:
        """Move the files away. What was set aside earlier is removed."""
        shutil.rmtree(self.aside, ignore_errors=True)
        self.aside.mkdir(mode=0o750)
        self._mark.write_text(_MOVING, encoding="utf-8")
        for path in self._present(self.directory):
            path.rename(self.aside / path.name)
        self._mark.write_text(_MOVED, encoding="utf-8")

    def put_back(self) -> bool:
        """Undo a setting aside that no ``finish`` followed; whether there was one."""
        if not self._mark.exists():
            return False
        if self._mark.read_text(encoding="utf-8") == _MOVED:
            # All that is there now is what the server wrote meanwhile.
            for path in self._present(self.directory):
                path.unlink()
            self._mark.write_text(_MOVING, encoding="utf-8")
        for path in self._present(self.aside):
            path.replace(self.directory / path.name)
        shutil.rmtree(self.aside)
        return True

    def finish(self) -> None:
        """From here on the server's new files count."""
        self._mark.unlink(missing_ok=True)

    @property
    def _mark(self) -> Path:
        return self.aside / "unfinished"

    @staticmethod
    def _present(directory: Path) -> list[Path]:
        return [path for path in (directory / name for name in _FILES) if path.exists()]
