# SPDX-License-Identifier: MIT
"""What kind of machine it is: board, memory, kernel and user space."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible.module_utils.hardware_fact import Fact
from ansible.module_utils.host_reader import HostReader

_MODEL = "/proc/device-tree/model"
_DMI = "/sys/class/dmi/id"
_MEMINFO = "/proc/meminfo"
_CONTAINER = "/run/systemd/container"
# First match wins.
_KINDS = (
    ("Raspberry Pi 4 Model B", "pi4b"),
    ("Raspberry Pi 5", "pi5"),
    ("Raspberry Pi", "pi"),
)
# What makers of boards leave in place of a name.
_NO_NAME = re.compile(
    r"(|none|default string|to be filled by o\.e\.m\.|o\.e\.m\.|not (specified|applicable)|"
    r"system (product name|manufacturer)|base board (product name|manufacturer))",
    re.IGNORECASE,
)
_VIRTUAL = re.compile(r"QEMU|KVM|VMware|innotek|Xen|Virtual Machine|Amazon EC2|Google Compute|Bochs", re.IGNORECASE)
_BITS = {"x86_64": 64, "aarch64": 64, "riscv64": 64, "ppc64le": 64, "i686": 32, "i386": 32, "armv6l": 32, "armv7l": 32}


@dataclass(frozen=True)
class Board:
    """One machine. ``kind`` is pi4b, pi5, pi (another one), pc or virtual.

    Memory in MB (2**20 bytes), pages in bytes.
    """

    kind: Fact[str]
    model: Fact[str]
    cpus: Fact[int]
    memory_mb: Fact[int]
    page_size: Fact[int]
    kernel_release: Fact[str]
    kernel_architecture: Fact[str]
    kernel_bits: Fact[int]
    user_architecture: Fact[str]
    user_bits: Fact[int]
    container: Fact[str]


def read_board(reader: HostReader) -> Board:
    """Read all of it."""
    model = _model(reader)
    release, architecture = _kernel(reader)
    return Board(
        kind=_kind(model),
        model=model,
        cpus=_cpus(reader),
        memory_mb=_memory(reader),
        page_size=_asked(reader, "getconf", "PAGESIZE"),
        kernel_release=release,
        kernel_architecture=architecture,
        kernel_bits=Fact(_BITS.get(architecture.value or ""), architecture.source),
        user_architecture=_user_architecture(reader),
        user_bits=_asked(reader, "getconf", "LONG_BIT"),
        container=Fact(reader.text(_CONTAINER) or None, _CONTAINER),
    )


def _model(reader: HostReader) -> Fact[str]:
    """A board with a device tree names itself there, a PC in its firmware's tables."""
    tree = reader.text(_MODEL)
    if tree:
        return Fact(tree, _MODEL)
    for maker, product in (("sys_vendor", "product_name"), ("board_vendor", "board_name")):
        name = reader.text(f"{_DMI}/{product}") or ""
        if not _NO_NAME.fullmatch(name):
            by = reader.text(f"{_DMI}/{maker}") or ""
            whole = name if _NO_NAME.fullmatch(by) or name.startswith(by) else f"{by} {name}"
            return Fact(whole, f"{_DMI}/{product}")
    return Fact(None, f"{_MODEL} and {_DMI}")


def _kind(model: Fact[str]) -> Fact[str]:
    name = model.value
    if name is None:
        return Fact(None, model.source)
    if model.source.startswith(_DMI):
        return Fact("virtual" if _VIRTUAL.search(name) else "pc", model.source)
    return Fact(next((kind for start, kind in _KINDS if name.startswith(start)), None), model.source)


def _cpus(reader: HostReader) -> Fact[int]:
    text = reader.text("/proc/cpuinfo") or ""
    return Fact(len(re.findall(r"^processor\s*:", text, re.MULTILINE)) or None, "/proc/cpuinfo")


def _memory(reader: HostReader) -> Fact[int]:
    total = re.search(r"^MemTotal:\s*(\d+) kB", reader.text(_MEMINFO) or "", re.MULTILINE)
    return Fact(int(total.group(1)) // 1024 if total else None, _MEMINFO)


def _kernel(reader: HostReader) -> tuple[Fact[str], Fact[str]]:
    release, _, machine = (reader.answer("uname", "-rm") or "").partition(" ")
    return Fact(release or None, "uname -r"), Fact(machine or None, "uname -m")


def _user_architecture(reader: HostReader) -> Fact[str]:
    return Fact(reader.answer("dpkg", "--print-architecture") or None, "dpkg --print-architecture")


def _asked(reader: HostReader, *command: str) -> Fact[int]:
    """A number that a command prints."""
    text = reader.answer(*command) or ""
    return Fact(int(text) if text.isdecimal() else None, " ".join(command))
