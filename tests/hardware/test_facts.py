"""What is read of a host: from every recorded board, from nothing at all, and from this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hardware_boards import BAD, BOARDS, GOOD, read
from hardware_cow import shared_dirty_kb
from hardware_fact import UNKNOWN, Fact, as_plain
from hardware_host import Hardware, profile_of, read_hardware
from hardware_power import THROTTLED_BITS, decode_throttled, parse_throttled
from hardware_storage import Mount, mount_of, read_mounts, storage_of
from host_reader import HostReader

FACTS: dict[str, dict[str, Any]] = {
    "pi4b-2gb": {
        "kind": "pi4b",
        "model": "Raspberry Pi 4 Model B Rev 1.5",
        "memory_mb": 1848,
        "cpus": 4,
        "page_size": 4096,
        "kernel_release": "6.6.31+rpt-rpi-v8",
        "kernel_architecture": "aarch64",
        "kernel_bits": 64,
        "user_architecture": "arm64",
        "user_bits": 64,
        "container": UNKNOWN,
        "low_voltage": False,
        "supply_ma": UNKNOWN,
        "fans": [],
        "huge_pages": "always",
        "cow_bug": False,
        "temperature": {"celsius": 44.3, "limit": 80.0},
        "throttling": {"raw": "0x0", "now": [], "since_boot": []},
        "frequency": {"current": 1800, "minimum": 600, "maximum": 1800},
        "swap": [{"name": "/var/swap", "storage": "usb", "size_mb": 199, "used_mb": 0}],
        "data_storage": {
            "kind": "usb",
            "mount": "/",
            "filesystem": "ext4",
            "device": "sda",
            "driver": "uas",
            "model": "SSD 870 EVO 500G",
            "rotational": False,
            "usb_mbit": 5000,
        },
    },
    "pi4b-4gb": {"kind": "pi4b", "memory_mb": 3792},
    "pi4b-8gb": {"kind": "pi4b", "memory_mb": 7864, "kernel_release": "6.12.25+rpt-rpi-v8"},
    "pi4b-32bit": {"kernel_bits": 64, "user_bits": 32, "user_architecture": "armhf"},
    "pi4b-old-kernel": {"cow_bug": True, "throttling": {"raw": "0x0", "now": [], "since_boot": []}, "swap": []},
    "pi5-16k": {"kind": "pi5", "page_size": 16384, "supply_ma": 5000, "fans": ["pwmfan at 2480 rpm"]},
    "pi5-4k": {"kind": "pi5", "page_size": 4096, "kernel_release": "6.6.31+rpt-rpi-v8"},
    "pi5-weak-supply": {"supply_ma": 3000},
    "pi4b-under-voltage": {
        "low_voltage": True,
        "throttling": {
            "raw": "0x50005",
            "now": ["under-voltage", "throttled"],
            "since_boot": ["under-voltage", "throttled"],
        },
    },
    "pi4b-throttled": {
        "throttling": {
            "raw": "0xe0008",
            "now": ["soft temperature limit"],
            "since_boot": ["frequency capped", "throttled", "soft temperature limit"],
        },
        "temperature": {"celsius": 83.3, "limit": 80.0},
    },
    "pc-nvme": {
        "kind": "pc",
        "model": "LENOVO 10T7S0W400",
        "cpus": 6,
        "user_architecture": "amd64",
        "cow_bug": False,
        "throttling": UNKNOWN,
        "low_voltage": UNKNOWN,
        "fans": UNKNOWN,
        "temperature": {"celsius": 41.0, "limit": 100.0},
        "swap": [{"name": "/dev/nvme0n1p3", "storage": "nvme", "size_mb": 975, "used_mb": 0}],
        "data_storage": {
            "kind": "nvme",
            "mount": "/",
            "filesystem": "ext4",
            "device": "nvme0n1",
            "driver": "nvme",
            "model": "Samsung SSD 970 EVO Plus 500GB",
            "rotational": False,
            "usb_mbit": UNKNOWN,
        },
    },
    "pc-sata": {
        "kind": "pc",
        "model": "ASRock B450M Pro4",
        "temperature": {"celsius": 38.5, "limit": UNKNOWN},
        "fans": ["nct6779 at 1086 rpm"],
        "swap": [{"name": "/dev/zram0", "storage": "zram", "size_mb": 3450, "used_mb": 0}],
        # Through a logical volume and the encryption below it.
        "data_storage": {
            "kind": "sata",
            "mount": "/",
            "filesystem": "ext4",
            "device": "sda",
            "driver": "ahci",
            "model": "CT500MX500SSD1",
            "rotational": False,
            "usb_mbit": UNKNOWN,
        },
    },
}


@pytest.mark.parametrize("name", FACTS)
def test_facts_of_a_recorded_board(name: str) -> None:
    facts = read(name).as_facts()
    assert {fact: facts[fact]["value"] for fact in FACTS[name]} == FACTS[name]


def test_every_board_is_judged_somewhere() -> None:
    recorded = {path.name for path in BOARDS.iterdir() if path.is_dir()}
    assert recorded == set(GOOD) | set(BAD)
    assert not set(GOOD) & set(BAD)


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_each_fact_has_a_source_and_can_be_written_down(name: str) -> None:
    facts = read(name).as_facts()
    assert all(set(fact) == {"value", "source"} and fact["source"] for fact in facts.values())
    json.dumps(facts)


def test_a_card_and_a_slow_port_are_told() -> None:
    card, port = read("pi4b-sd-card").data_storage.value, read("pi4b-1gb-usb2").data_storage.value
    assert card is not None
    assert (card.kind, card.device, card.model, card.driver) == ("sd-card", "mmcblk0", "SC64G", "mmcblk")
    assert port is not None
    assert (port.kind, port.usb_mbit) == ("usb", 480)


def test_a_bridge_that_calls_an_ssd_rotating_is_reported_as_it_says() -> None:
    storage = read("pi4b-8gb").data_storage.value
    assert storage is not None
    assert (storage.kind, storage.driver, storage.rotational) == ("usb", "usb-storage", True)


def test_the_kernels_file_stands_in_for_vcgencmd() -> None:
    source = read("pi4b-old-kernel").power.throttling.source
    assert source == "/sys/devices/platform/soc/soc:firmware/get_throttled"
    assert read("pi4b-4gb").power.throttling.source == "vcgencmd get_throttled"


def test_nothing_is_known_of_nothing(tmp_path: Path) -> None:
    facts = read_hardware(HostReader(str(tmp_path)), "/var/lib/keydb").as_facts()
    assert {name: fact["value"] for name, fact in facts.items()} == dict.fromkeys(facts, UNKNOWN)


def test_this_machine_can_be_read() -> None:
    hardware = read_hardware(HostReader(), "/var/lib")
    assert hardware.board.kernel_release.value == os.uname().release
    assert hardware.board.page_size.value == os.sysconf("SC_PAGESIZE")
    assert (hardware.board.memory_mb.value or 0) > 0
    json.dumps(hardware.as_facts())


# --- get_throttled ---


@pytest.mark.parametrize("bit", range(len(THROTTLED_BITS)))
def test_each_bit_has_its_name_now_and_since_boot(bit: int) -> None:
    now, before = decode_throttled(1 << bit), decode_throttled(1 << bit + 16)
    assert (now.now, now.since_boot) == ((THROTTLED_BITS[bit],), ())
    assert (before.now, before.since_boot) == ((), (THROTTLED_BITS[bit],))


def test_the_names_are_the_documented_ones() -> None:
    assert THROTTLED_BITS == ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
    # The other bits are nobody's.
    assert (decode_throttled(0xFFF0FFF0).now, decode_throttled(0xFFF0FFF0).since_boot) == ((), ())
    whole = decode_throttled(0xF000F)
    assert (whole.now, whole.since_boot) == (THROTTLED_BITS, THROTTLED_BITS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("throttled=0x0", 0),
        ("throttled=0x50005", 0x50005),
        ("50000", 0x50000),
        ("0", 0),
        ("throttled=0xE0008\n", 0xE0008),
        ("", None),
        (None, None),
        ("VCHI initialization failed", None),
        ('error=1 error_msg="Command not registered"', None),
    ],
)
def test_answers_of_the_firmware(text: str | None, number: int | None) -> None:
    assert parse_throttled(text) == number


# --- storage ---


def test_the_deepest_and_the_latest_mount_counts() -> None:
    mounts = [Mount(str(n), point, "ext4", "") for n, point in enumerate(("/", "/srv", "/srv/ssd", "/srv"))]
    assert [
        (mount_of(mounts, path) or mounts[0]).number
        for path in ("/var/lib/keydb", "/srv/x", "/srv/ssd", "/srvx", "/srv/ssd2")
    ] == ["0", "3", "2", "0", "3"]
    assert mount_of([], "/") is None


def _disk(root: Path, name: str, place: str, number: str, *, kind: str = "") -> None:
    home = root / place.lstrip("/")
    (home / "queue").mkdir(parents=True)
    (home / "dev").write_text(f"{number}\n")
    if kind:
        (home.parents[1] / "type").write_text(f"{kind}\n")
    (root / "sys/block").mkdir(parents=True, exist_ok=True)
    (root / "sys/block" / name).symlink_to(os.path.relpath(home, root / "sys/block"))


@pytest.mark.parametrize(
    ("name", "place", "kind", "expected"),
    [
        ("vda", "/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda", "", "virtual"),
        ("mmcblk0", "/sys/devices/platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0", "MMC", "emmc"),
        ("mmcblk0", "/sys/devices/platform/soc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0", "SD", "sd-card"),
        ("sdb", "/sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sdb", "", "sata"),
        ("sdc", "/sys/devices/pci0000:00/0000:00:1f.2/host2/target2:0:0/2:0:0:0/block/sdc", "", None),
        ("nvme0n1", "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "", "nvme"),
    ],
)
def test_kinds_of_storage(tmp_path: Path, name: str, place: str, kind: str, expected: str | None) -> None:
    _disk(tmp_path, name, place, "9:1", kind=kind)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(f"1 1 9:1 / /with\\040blank rw - ext4 /dev/{name} rw\n")
    storage = storage_of(HostReader(str(tmp_path)), "/with blank/data").value
    assert storage is not None
    assert (storage.kind, storage.device) == (expected, name)


def test_a_file_system_with_a_number_of_its_own_is_found_by_its_device(tmp_path: Path) -> None:
    """Btrfs: mountinfo has a number that is no device's."""
    _disk(tmp_path, "nvme0n1", "/sys/devices/pci0000:00/nvme/nvme0/nvme0n1", "259:0")
    (tmp_path / "sys/block/nvme0n1/nvme0n1p2").mkdir()
    (tmp_path / "sys/block/nvme0n1/nvme0n1p2/dev").write_text("259:2\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("1 1 0:27 /@ / rw - btrfs /dev/nvme0n1p2 rw,subvol=/@\n")
    storage = storage_of(HostReader(str(tmp_path)), "/").value
    assert storage is not None
    assert (storage.kind, storage.filesystem) == ("nvme", "btrfs")


def test_what_a_container_stands_on_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("1 1 0:50 / / rw - overlay overlay rw\nbroken line\n")
    reader = HostReader(str(tmp_path))
    assert len(read_mounts(reader)) == 1
    storage = storage_of(reader, "/var/lib/keydb").value
    assert storage is not None
    assert (storage.kind, storage.filesystem) == (None, "overlay")


# --- the copy-on-write test ---

SMAPS = """\
7f0000000000-7f0000001000 r--p 00000000 00:00 0
Size:                  4 kB
Shared_Dirty:          0 kB
7f0000001000-7f0000002000 rw-p 00000000 00:00 0
Size:                  4 kB
Shared_Clean:          0 kB
Shared_Dirty:          4 kB
"""


@pytest.mark.parametrize(
    ("address", "dirty"), [(0x7F0000001000, 4), (0x7F0000001FFF, 4), (0x7F0000000000, 0), (0x7F0000002000, None)]
)
def test_dirty_pages_of_a_mapping(address: int, dirty: int | None) -> None:
    assert shared_dirty_kb(SMAPS, address) == dirty


def test_the_bug_is_looked_for_on_arm64_only() -> None:
    assert read("pc-nvme").cow_bug == Fact(False, "uname -m")


def test_the_test_itself_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine is no arm64 the kernel cannot have the bug, and the test must say so too."""
    import hardware_cow  # noqa: PLC0415  # patched below

    assert hardware_cow.read_cow_bug(HostReader(), "aarch64").value in (False, None)
    monkeypatch.setattr(hardware_cow, "shared_dirty_kb", lambda *_: 0)
    assert hardware_cow.read_cow_bug(HostReader(), "aarch64").value is True
    monkeypatch.setattr(hardware_cow, "shared_dirty_kb", lambda *_: None)
    assert hardware_cow.read_cow_bug(HostReader(), "aarch64").value is None


# --- profiles, and plain data ---


@pytest.mark.parametrize(
    ("wanted", "kind", "profile"),
    [
        ("auto", "pi4b", "pi4b"),
        ("auto", "pi5", "pi4b"),
        ("auto", "pc", "pc"),
        ("auto", None, "pc"),
        ("none", "pi4b", "none"),
        ("pc", "pi4b", "pc"),
    ],
)
def test_the_board_decides_where_nobody_else_does(wanted: str, kind: str | None, profile: str) -> None:
    assert profile_of(wanted, kind) == profile


def test_what_is_not_known_says_so_at_any_depth() -> None:
    assert as_plain({"a": (None, Fact(None, "b"))}) == {"a": [UNKNOWN, {"value": UNKNOWN, "source": "b"}]}


def test_the_class_of_a_host_can_be_told() -> None:
    hardware: Hardware = read("pi5-16k")
    assert hardware.is_arm64
    assert not read("pc-sata").is_arm64
