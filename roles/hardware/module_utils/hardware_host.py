# SPDX-License-Identifier: MIT
"""Everything that is known of one host's hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.hardware_board import Board, read_board
from ansible.module_utils.hardware_cow import read_cow_bug
from ansible.module_utils.hardware_fact import Fact, as_plain
from ansible.module_utils.hardware_kernel import Kernel, read_kernel
from ansible.module_utils.hardware_power import Power, read_power
from ansible.module_utils.hardware_storage import Storage, storage_of
from ansible.module_utils.host_reader import HostReader


@dataclass(frozen=True)
class Hardware:
    """One host."""

    board: Board
    power: Power
    kernel: Kernel
    root_storage: Fact[Storage]
    data_storage: Fact[Storage]
    cow_bug: Fact[bool]

    @property
    def is_arm64(self) -> bool:
        """Whether its kernel is one of the 64-bit Arm's."""
        return bool(self.board.kernel_architecture.value == "aarch64")

    def as_facts(self) -> dict[str, Any]:
        """Name of each fact to its value and source, as plain data."""
        storage = {"root_storage": self.root_storage, "data_storage": self.data_storage, "cow_bug": self.cow_bug}
        facts = {**vars(self.board), **vars(self.power), **vars(self.kernel), **storage}
        return {name: as_plain(fact) for name, fact in facts.items()}


def read_hardware(reader: HostReader, data_path: str) -> Hardware:
    """Read a host or a recording; ``data_path`` is where the engine keeps, or will keep, its data."""
    board = read_board(reader)
    return Hardware(
        board=board,
        power=read_power(reader, board.kind.value),
        kernel=read_kernel(reader),
        root_storage=storage_of(reader, "/"),
        data_storage=storage_of(reader, data_path),
        cow_bug=read_cow_bug(reader, board.kernel_architecture.value),
    )


def profile_of(wanted: str, kind: str | None) -> str:
    """The profile in effect: the one that was asked for, or with "auto" the board's own.

    Every Raspberry Pi has that of the Pi 4B. The other one has nothing in it that only a PC could do.
    """
    if wanted != "auto":
        return wanted
    return "pi4b" if (kind or "").startswith("pi") else "pc"
