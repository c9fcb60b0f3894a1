# SPDX-License-Identifier: MIT
"""From a path to the device that it lies on: its mount, its block device, and what that is connected by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible.module_utils.hardware_fact import Fact
from ansible.module_utils.host_reader import HostReader

_MOUNTINFO = "/proc/self/mountinfo"
_BY_NAME = ((re.compile(r"nvme\d"), "nvme"), (re.compile(r"(xvd|vd)[a-z]"), "virtual"))
_BY_DRIVER = {
    "uas": "usb",
    "usb-storage": "usb",
    "ahci": "sata",
    "ata_piix": "sata",
    "virtio_scsi": "virtual",
    "virtio_blk": "virtual",
    "hv_storvsc": "virtual",
    "vmw_pvscsi": "virtual",
}
# What a card's "type" says.
_CARDS = {"SD": "sd-card", "MMC": "emmc"}
_EMULATED = ("QEMU", "VBOX", "VMware", "Virtual")


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo; ``number`` is the device's major:minor."""

    number: str
    point: str
    filesystem: str
    device: str


@dataclass(frozen=True)
class Storage:
    """What a path lies on. ``kind`` is nvme, sata, usb, sd-card, emmc, virtual, or None where it cannot be told.

    ``rotational`` is what the kernel says; bridges from USB to SATA often call an SSD rotating. ``usb_mbit`` is the
    speed of the USB link in Mbit/s.
    """

    kind: str | None
    mount: str
    filesystem: str
    device: str | None = None
    driver: str | None = None
    model: str | None = None
    rotational: bool | None = None
    usb_mbit: int | None = None


def read_mounts(reader: HostReader) -> list[Mount]:
    """Every mount, in the order in which they were made."""
    found = []
    for line in (reader.text(_MOUNTINFO) or "").splitlines():
        before, separator, after = line.partition(" - ")
        mount, filesystem = before.split(), after.split()
        if separator and len(mount) > 4 and len(filesystem) > 1:  # noqa: PLR2004  # as proc(5) has them
            found.append(Mount(mount[2], _plain(mount[4]), filesystem[0], _plain(filesystem[1])))
    return found


def _plain(text: str) -> str:
    """Undo the octal that stands for blanks in a name."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), text)


def mount_of(mounts: list[Mount], path: str) -> Mount | None:
    """The mount that a path without symbolic links is below; of two at one place, the later one."""
    below = [mount for mount in mounts if path == mount.point or path.startswith(mount.point.rstrip("/") + "/")]
    return max(enumerate(below), key=lambda each: (len(each[1].point), each[0]))[1] if below else None


def storage_of(reader: HostReader, path: str) -> Fact[Storage]:
    """What a directory or file lies on, or would lie on: it need not exist."""
    mount = mount_of(read_mounts(reader), reader.resolved(path))
    if mount is None:
        return Fact(None, f"{_MOUNTINFO} has no mount for {path}")
    disk = _disk_of_number(reader, mount.number) or _disk_of_name(reader, PurePosixPath(mount.device).name)
    if disk is None:
        return Fact(Storage(None, mount.point, mount.filesystem), f"{_MOUNTINFO}: {mount.device} is no block device")
    return Fact(_described(reader, _bottom(reader, disk), mount), f"{_MOUNTINFO}, /sys/block/{disk}")


def storage_of_device(reader: HostReader, device: str) -> str | None:
    """Kind of the storage that a block device such as /dev/sda3 is on."""
    disk = _disk_of_name(reader, PurePosixPath(device).name)
    return _kind(reader, _bottom(reader, disk), "")[0] if disk else None


def _disk_of_number(reader: HostReader, number: str) -> str | None:
    for path in (*reader.paths("/sys/block/*/dev"), *reader.paths("/sys/block/*/*/dev")):
        if reader.text(path) == number:
            return str(path.split("/")[3])
    return None


def _disk_of_name(reader: HostReader, name: str) -> str | None:
    """The disk of a device or partition; file systems such as btrfs have a number that is no device's."""
    if not name:
        return None
    if reader.exists(f"/sys/block/{name}"):
        return name
    partition = next(iter(reader.paths(f"/sys/block/*/{name}/dev")), None)
    return partition.split("/")[3] if partition else None


def _bottom(reader: HostReader, disk: str) -> str:
    """The device below encryption, volumes and arrays; the first where there are several."""
    below = next(iter(reader.paths(f"/sys/block/{disk}/slaves/*")), None)
    lower = _disk_of_name(reader, PurePosixPath(below).name) if below else None
    return _bottom(reader, lower) if lower else disk


def _described(reader: HostReader, disk: str, mount: Mount) -> Storage:
    device = _device(reader, disk)
    model = reader.text(f"{device}/model") or reader.text(f"{device}/name")
    kind, driver = _kind(reader, disk, model or "")
    rotational = reader.number(f"/sys/block/{disk}/queue/rotational")
    return Storage(
        kind=kind,
        mount=mount.point,
        filesystem=mount.filesystem,
        device=disk,
        driver=driver,
        model=model,
        rotational=None if rotational is None else bool(rotational),
        usb_mbit=_usb_speed(reader, disk) if kind == "usb" else None,
    )


def _kind(reader: HostReader, disk: str, model: str) -> tuple[str | None, str | None]:
    """Kind and the driver that tells it."""
    if disk.startswith("mmcblk"):
        return _CARDS.get(reader.text(f"{_device(reader, disk)}/type") or ""), "mmcblk"
    drivers = [name for _, name in _drivers(reader, disk)]
    driver = next((name for name in drivers if name in _BY_DRIVER), drivers[0] if drivers else None)
    if model.startswith(_EMULATED):
        return "virtual", driver
    named = next((kind for pattern, kind in _BY_NAME if pattern.match(disk)), None)
    # Every SATA controller has a port "ata" in its path, whatever its driver is called.
    wired = "sata" if re.search(r"/ata\d+/", reader.resolved(f"/sys/block/{disk}")) else None
    return named or _BY_DRIVER.get(driver or "") or wired, driver


def _device(reader: HostReader, disk: str) -> PurePosixPath:
    """The device that a disk is a face of: above it, with or without a directory "block" between."""
    above = PurePosixPath(reader.resolved(f"/sys/block/{disk}")).parent
    return above.parent if above.name == "block" else above


def _drivers(reader: HostReader, disk: str) -> Iterator[tuple[str, str]]:
    """Yield (device, driver) from the disk upwards to the bus."""
    device = PurePosixPath(reader.resolved(f"/sys/block/{disk}"))
    for place in (device, *device.parents):
        driver = reader.target(f"{place}/driver")
        if driver:
            yield str(place), driver


def _usb_speed(reader: HostReader, disk: str) -> int | None:
    """Mbit/s of the USB device itself, not of a hub above it."""
    return next((reader.number(f"{place}/speed") for place, name in _drivers(reader, disk) if name == "usb"), None)
