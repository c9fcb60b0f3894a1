"""What a wrong and an expired certificate have in common: files are swapped, and the server is restarted with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind

_KEPT = ".keydb-faults"


class BaseCertificate(Kind):
    """The originals lie beside what takes their place, with owner and permissions, until they are renamed back."""

    takes_down = True
    files: tuple[str, ...] = ()

    def make(self, host: Host, directory: Path) -> dict[str, Path]:
        """What is to take the place of which of ``files``; raises CommandError."""
        raise NotImplementedError

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """The files first, one rename each, then the restart that reads them."""
        with host.scratch() as directory:
            for name, new in self.make(host, directory).items():
                _swap(Path(host.tls_dir) / name, new)
        host.run("systemctl", "restart", "--no-block", host.service)
        return ""

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """Nothing is restarted where nothing was swapped."""
        swapped = False
        for name in self.files:
            original = Path(host.tls_dir) / f"{name}{_KEPT}"
            if original.exists():
                original.replace(Path(host.tls_dir) / name)
                swapped = True
        if swapped:
            host.run("systemctl", "restart", "--no-block", host.service)


def _swap(path: Path, new: Path) -> None:
    """Put a copy of ``new`` in the place of ``path``, whose owner and permissions it gets; keep the original."""
    kept = path.with_name(f"{path.name}{_KEPT}")
    if not kept.exists():
        # A link, not a rename: there is no moment without the file.
        os.link(path, kept)
    status = kept.stat()
    beside = path.with_name(f".{path.name}{_KEPT}.new")
    beside.touch(mode=0o600)
    shutil.copyfile(new, beside)
    os.chown(beside, status.st_uid, status.st_gid)
    beside.chmod(status.st_mode & 0o7777)
    beside.replace(path)
