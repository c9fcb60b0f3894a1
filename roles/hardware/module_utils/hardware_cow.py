# SPDX-License-Identifier: MIT
"""Whether the kernel has the arm64 copy-on-write bug for which KeyDB, Valkey and Redis refuse to start.

The servers look for it at their start, and so does this, in the same way: a page that was given back with MADV_FREE and
then written to must still be dirty in a child process. Kernels before 5.10 may lose that (fixed by "arm64: pgtable:
Ensure dirty bit is preserved across pte_wrprotect()"); a snapshot would then be written from pages that are wrong.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from pathlib import Path

from ansible.module_utils.hardware_fact import Fact
from ansible.module_utils.host_reader import HostReader

_PAGES = 3
# What a recording has instead of the test: "affected" or "sound".
_RECORDED = "/answers/arm64 copy-on-write"
_SOURCE = "a page written after MADV_FREE, seen from a child process"


def read_cow_bug(reader: HostReader, architecture: str | None) -> Fact[bool]:
    """Whether the bug is there; on other architectures it cannot be. ``architecture`` is the kernel's."""
    if architecture not in (None, "aarch64"):
        return Fact(False, "uname -m")
    if reader.is_recorded:
        said = reader.text(_RECORDED)
        return Fact({"affected": True, "sound": False}.get(said or ""), _RECORDED)
    try:
        return Fact(_is_dirty_lost(), _SOURCE)
    except (OSError, AttributeError, ValueError) as error:
        return Fact(None, f"{_SOURCE}: {error}")


def shared_dirty_kb(smaps: str, address: int) -> int | None:
    """Shared_Dirty in kB of the mapping that has an address, from the text of /proc/self/smaps; None if not said."""
    inside = False
    for line in smaps.splitlines():
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            inside = int(bounds.group(1), 16) <= address < int(bounds.group(2), 16)
        elif inside and line.startswith("Shared_Dirty:"):
            return int(line.split()[1])
    return None


def _is_dirty_lost() -> bool | None:
    page = mmap.PAGESIZE
    area = mmap.mmap(
        -1, _PAGES * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_WRITE
    )
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    # Its neighbours are read-only, so that the kernel keeps the middle page as a mapping of its own.
    libc = ctypes.CDLL(None, use_errno=True)
    for neighbour in (start, start + 2 * page):
        if libc.mprotect(ctypes.c_void_p(neighbour), ctypes.c_size_t(page), mmap.PROT_READ):
            raise OSError(ctypes.get_errno(), "mprotect")
    area[page] = 0
    area.madvise(mmap.MADV_FREE, page, page)
    area[page] = 0
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"?"
        try:
            dirty = shared_dirty_kb(
                Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace"), start + page
            )
            answer = b"?" if dirty is None else b"1" if dirty == 0 else b"0"
        finally:
            os.write(theirs, answer)
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        answer = pipe.read(1)
    os.waitpid(child, 0)
    return {b"1": True, b"0": False}.get(answer)
