# SPDX-License-Identifier: MIT
"""How the kernel writes its settings, and which values mean the same."""

from __future__ import annotations

import re

_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
_GOVERNOR = "scaling_governor"
_STEERING = ("rps_cpus", "xps_cpus")


def is_in_force(path: str, present: str, wanted: str) -> bool:
    """Whether a file that says ``present`` has the value wanted."""
    if path.endswith(_STEERING):
        return int(present.replace(",", "") or "0", 16) == int(wanted.replace(",", ""), 16)
    chosen = re.search(r"\[(\S+)\]", present)
    if not chosen:
        return present.split() == wanted.split()
    # Huge pages for nobody are as good as those for who asks: the servers do not.
    return chosen.group(1) in ((wanted, "never") if path == _HUGE_PAGES and wanted == "madvise" else (wanted,))


def choices_file(path: str) -> str | None:
    """The file that lists what can be chosen, where it is another one than that of the setting."""
    return path[: -len(_GOVERNOR)] + "scaling_available_governors" if path.endswith(_GOVERNOR) else None
