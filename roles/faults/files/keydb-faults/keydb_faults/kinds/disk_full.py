"""Nothing more can be written where the data is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind, NotPossibleError

_FILE = ".keydb-faults-full"
_BLOCK = 4096
_OTHERS = (Path("/"), Path("/var"), Path("/var/lib"), Path("/srv"), Path("/home"))


def mount_point(path: Path) -> Path:
    """Where the file system begins that a directory is on."""
    while not path.is_mount():
        path = path.parent
    return path


def is_whole_and_sole(mounts: str, point: Path) -> bool:
    """Whether all of a file system, and not a directory of one, is mounted here, and nowhere else.

    ``mounts`` is what /proc/self/mountinfo says. What a container is given of its host's disk is a directory of it.
    """
    rows = [line.split() for line in mounts.splitlines()]
    here = [row for row in rows if row[4] == str(point)]
    if not here:
        return False
    device, root = here[-1][2:4]
    return root == "/" and [row[4] for row in rows if row[2] == device] == [str(point)]


def fill(free: int, allocate: Callable[[int, int], None]) -> int:
    """Allocate bytes from 0 on until no more are to be had, in ever smaller pieces, and never more than are ``free``.

    ``allocate`` is told where and how many, and raises OSError where they are not there. Returns how many it were.
    """
    at, size = 0, free
    while size >= _BLOCK and at + size <= free:
        try:
            allocate(at, size)
        except OSError:
            size //= 2
        else:
            at += size
            size = min(size, free - at)
    return at


class DiskFull(Kind):
    """Only a file system that is nobody else's is ever filled."""

    name = "disk_full"
    about = "the file system of the data has no space left, where it is the data's own"

    def why_not(self, host: Host) -> str:
        """One that the data does not share, which in memory (tmpfs) leaves enough of it."""
        data = Path(host.data_dir)
        if not data.is_dir():
            return f"{data} is not there"
        mount = mount_point(data)
        mounts = Path("/proc/self/mountinfo").read_text("utf-8")
        if mount not in (data, data.parent) or mount in _OTHERS or not is_whole_and_sole(mounts, mount):
            return f"the data is on the file system of {mount}, that others use too"
        free = os.statvfs(data)
        if host.run("stat", "--file-system", "--format=%T", str(data)).strip() == "tmpfs" and (
            free.f_bfree * free.f_frsize > host.available_memory() // 2
        ):
            return f"{mount} is in memory, and would take more than half of what is left of it"
        return ""

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """All that root gets in one piece, then what is left of it, down to the last block."""
        # Asked once more where it counts: filling what others use is what must never happen, whoever calls this.
        why = self.why_not(host)
        if why:
            raise NotPossibleError(why)
        before = os.statvfs(host.data_dir)
        handle = os.open(Path(host.data_dir) / _FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            taken = fill(before.f_bfree * before.f_frsize, lambda at, size: os.posix_fallocate(handle, at, size))
        finally:
            os.close(handle)
        return f"{taken >> 20} MiB"

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """Removing the file is all there is to it."""
        (Path(host.data_dir) / _FILE).unlink(missing_ok=True)
