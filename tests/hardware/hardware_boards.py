"""The recorded boards: how to read one, and what must be said of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hardware_host import Hardware, read_hardware
from host_reader import HostReader

BOARDS = Path(__file__).resolve().parent / "boards"
DATA = "/var/lib/keydb"
GOOD = ("pi4b-2gb", "pi4b-4gb", "pi4b-8gb", "pi5-4k", "pc-nvme", "pc-sata")


@dataclass(frozen=True)
class Said:
    """One finding: how bad, a part of what is said, and a part of the remedy."""

    severity: str
    what: str
    remedy: str


BAD: dict[str, tuple[Said, ...]] = {
    "pi5-16k": (
        Said(
            "stop",
            "the kernel has pages of 16 KiB",
            "Put `kernel=kernel8.img` into /boot/firmware/config.txt and reboot",
        ),
    ),
    "pi5-weak-supply": (Said("warn", "the supply offers 3000 mA", "5.1 V 5 A (27 W) supply"),),
    "pi4b-throttled": (
        Said("warn", "soft temperature limit now (0xe0008)", "a heat sink and a fan"),
        Said("warn", "frequency capped, throttled since boot, though not now (0xe0008)", "then reboot"),
        Said("warn", "83 °C, and it slows down at 80 °C; the system knows of no fan", "Give it a fan"),
    ),
    "pi4b-under-voltage": (
        Said("warn", "under-voltage now (0x50005)", "5.1 V 3 A USB-C supply"),
        Said("warn", "throttled now (0x50005)", "Cure the under-voltage first"),
    ),
    "pi4b-under-voltage-since-boot": (
        Said("warn", "under-voltage since boot, though not now (0x50000)", "5.1 V 3 A USB-C supply"),
        Said("warn", "throttled since boot, though not now (0x50000)", "Cure the under-voltage first"),
    ),
    "pi4b-sd-card": (
        Said("warn", "the data is on an SD card (mmcblk0, mounted at /)", "set keydb_data_dir to a directory on it"),
        Said("warn", "/var/swap (199 MB) is on an SD card", "systemctl disable --now dphys-swapfile"),
    ),
    "pi4b-1gb-usb2": (
        Said("warn", "909 MB of memory, less than 2 GB", "keep keydb_maxmemory_mb at a quarter of the memory"),
        Said("warn", "runs at 480 Mbit/s, which is USB 2", "blue USB 3 port"),
    ),
    "pi4b-32bit": (
        Said(
            "stop",
            "the user space is 32-bit under a 64-bit kernel (kernel aarch64, user space armhf)",
            "Write Raspberry Pi OS (64-bit) to the boot medium",
        ),
    ),
    "pi4b-old-kernel": (
        Said(
            "stop",
            "kernel 5.4.0-1015-raspi loses changed pages after a fork (ARM64-COW-BUG)",
            "hardware_ignore_cow_bug: true",
        ),
    ),
}


def read(name: str, data_path: str = DATA) -> Hardware:
    """What the recording of this name says."""
    return read_hardware(HostReader(str(BOARDS / name)), data_path)
