# SPDX-License-Identifier: MIT
"""How the kernel runs: frequency governor, swap, huge pages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible.module_utils.hardware_fact import Fact
from ansible.module_utils.hardware_storage import storage_of, storage_of_device
from ansible.module_utils.host_reader import HostReader

_CPUFREQ = "/sys/devices/system/cpu/cpu0/cpufreq"
_GOVERNORS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
_SWAP_FIELDS = 4


@dataclass(frozen=True)
class Frequency:
    """Of the first processor, in MHz."""

    current: int | None
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True)
class Governor:
    """What decides the frequency. ``name`` has every processor's, should they differ."""

    name: str
    driver: str | None
    available: tuple[str, ...]


@dataclass(frozen=True)
class Swap:
    """One swap area; ``storage`` is the kind of what it lies on, zram for compressed memory. Sizes in MB."""

    name: str
    storage: str | None
    size_mb: int
    used_mb: int


@dataclass(frozen=True)
class Kernel:
    """How the kernel runs."""

    governor: Fact[Governor]
    frequency: Fact[Frequency]
    swap: Fact[tuple[Swap, ...]]
    huge_pages: Fact[str]


def read_kernel(reader: HostReader) -> Kernel:
    """Read all of it."""
    return Kernel(_governor(reader), _frequency(reader), _swap(reader), _huge_pages(reader))


def _governor(reader: HostReader) -> Fact[Governor]:
    names = sorted({reader.text(path) or "" for path in reader.paths(_GOVERNORS)} - {""})
    if not names:
        return Fact(None, _GOVERNORS)
    available = (reader.text(f"{_CPUFREQ}/scaling_available_governors") or "").split()
    return Fact(Governor(", ".join(names), reader.text(f"{_CPUFREQ}/scaling_driver"), tuple(available)), _GOVERNORS)


def _frequency(reader: HostReader) -> Fact[Frequency]:
    files = ("scaling_cur_freq", "cpuinfo_min_freq", "cpuinfo_max_freq")
    kilo = [reader.number(f"{_CPUFREQ}/{name}") for name in files]
    mega = [None if number is None else number // 1000 for number in kilo]
    return Fact(None if mega == [None] * len(mega) else Frequency(*mega), _CPUFREQ)


def _swap(reader: HostReader) -> Fact[tuple[Swap, ...]]:
    text = reader.text("/proc/swaps")
    if text is None:
        return Fact(None, "/proc/swaps")
    areas = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= _SWAP_FIELDS:
            name, kind, size, used = fields[:_SWAP_FIELDS]
            areas.append(Swap(name, _swap_storage(reader, name, kind), int(size) // 1024, int(used) // 1024))
    return Fact(tuple(areas), "/proc/swaps")


def _swap_storage(reader: HostReader, name: str, kind: str) -> str | None:
    storage: str | None
    if re.match(r"/dev/zram\d", name):
        storage = "zram"
    elif kind == "partition":
        storage = storage_of_device(reader, name)
    else:
        below = storage_of(reader, name).value
        storage = below.kind if below else None
    return storage


def _huge_pages(reader: HostReader) -> Fact[str]:
    chosen = re.search(r"\[(\w+)\]", reader.text(_HUGE_PAGES) or "")
    return Fact(chosen.group(1) if chosen else None, _HUGE_PAGES)
