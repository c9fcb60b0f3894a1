# SPDX-License-Identifier: MIT
"""What would stop or slow the cluster on a host, and what to do about it. What is unknown is never an alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible.module_utils.hardware_host import Hardware
from ansible.module_utils.hardware_power import UNDER_VOLTAGE

STOP, WARN = "stop", "warn"
ARCHITECTURES = ("amd64", "arm64")
# Boards sold as 2 GB have 1.8 GB and more for the kernel, PCs that lend memory to their graphics less.
_LEAST_MEMORY_MB = 1536
_TOO_FEW_BITS = 32
# How close to its limit, in °C, a processor may be before work has begun.
_MARGIN = 5.0
_PI5_SUPPLY_MA = 5000
_USB3_MBIT = 5000
# They keep the frequency low, or raise it only after load has been there for a while.
_SLOW_GOVERNORS = ("ondemand", "conservative", "powersave", "userspace")
# With these drivers the processor itself chooses, and "powersave" is how that is called.
_CHOOSING_DRIVERS = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")


@dataclass(frozen=True)
class Finding:
    """One thing: how bad (stop or warn), what it is about, what was found, why it matters, and what to do."""

    severity: str
    about: str
    what: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks of the host. ``governor`` is the one that the settings will make, "" for none."""

    engine: str = "keydb"
    engine_page_size: int = 4096
    ignore_cow_bug: bool = False
    spare_storage: bool = False
    governor: str = ""


Rule = Callable[[Hardware, Wanted], Iterator[Finding]]


def architecture_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """Kernel and user space are 64-bit, and of an architecture that there are packages for."""
    board = hardware.board
    why = "The engines are built for 64 bits only, and a 32-bit process has no room for the data."
    remedy = (
        "Write Raspberry Pi OS (64-bit) to the boot medium with Raspberry Pi Imager: a 32-bit installation cannot be "
        "converted, and arm_64bit=1 in config.txt changes the kernel only."
        if (board.kind.value or "").startswith("pi")
        else "Install the amd64 or arm64 edition of the system; `dpkg --print-architecture` must say amd64 or arm64."
    )
    kernel, user = board.kernel_architecture.value, board.user_architecture.value
    both = f"kernel {kernel or 'unknown'}, user space {user or 'unknown'}"
    if board.kernel_bits.value == _TOO_FEW_BITS:
        yield Finding(STOP, "architecture", f"the kernel is 32-bit ({both})", why, remedy)
    elif board.user_bits.value == _TOO_FEW_BITS:
        yield Finding(STOP, "architecture", f"the user space is 32-bit under a 64-bit kernel ({both})", why, remedy)
    elif user is not None and user not in ARCHITECTURES:
        yield Finding(
            STOP, "architecture", f"{user} is neither amd64 nor arm64", "No engine has packages for it.", remedy
        )


def page_findings(hardware: Hardware, wanted: Wanted) -> Iterator[Finding]:
    """The engine's allocator can run on the kernel's pages. The distribution's engines are built for all of them."""
    size, largest = hardware.board.page_size.value, wanted.engine_page_size
    if wanted.engine != "keydb" or not hardware.is_arm64 or size is None or size <= largest:
        return
    yield Finding(
        STOP,
        "page size",
        f"the kernel has pages of {size // 1024} KiB, and KeyDB is built for {largest // 1024} KiB",
        "Its allocator ends the server at its start (<jemalloc>: Unsupported system page size).",
        "Put `kernel=kernel8.img` into /boot/firmware/config.txt and reboot (Raspberry Pi 5); for a build made with "
        f"--with-lg-page={size.bit_length() - 1} set hardware_engine_page_size: {size}.",
    )


def cow_findings(hardware: Hardware, wanted: Wanted) -> Iterator[Finding]:
    """The kernel keeps pages dirty across a fork; every engine refuses to start where it does not."""
    if not hardware.cow_bug.value:
        return
    ignored = wanted.ignore_cow_bug
    yield Finding(
        WARN if ignored else STOP,
        "arm64 copy-on-write",
        f"kernel {hardware.board.kernel_release.value or 'unknown'} loses changed pages after a fork (ARM64-COW-BUG)"
        + (", which hardware_ignore_cow_bug tells the engine to ignore" if ignored else ""),
        "Snapshots and full synchronisations may contain wrong data"
        + ("." if ignored else ", so the engine refuses to start."),
        "Run `apt full-upgrade` to a kernel of 5.10 or later and reboot"
        + ("." if ignored else ", or accept the risk with hardware_ignore_cow_bug: true."),
    )


def storage_findings(hardware: Hardware, wanted: Wanted) -> Iterator[Finding]:
    """Data lies on something that takes many small writes."""
    storage = hardware.data_storage.value
    if storage is None:
        return
    if storage.kind == "sd-card":
        spared = wanted.spare_storage
        yield Finding(
            WARN,
            "data storage",
            f"the data is on an SD card ({storage.device}, mounted at {storage.mount})"
            + (", with persistence tuned down as asked" if spared else ""),
            "A flush of the append-only file stalls it for tens to hundreds of milliseconds, and wears it out.",
            "Mount an SSD and set keydb_data_dir to a directory on it"
            + ("." if spared else ", or tune persistence down with hardware_spare_storage: true."),
        )
    if storage.kind == "usb" and storage.usb_mbit is not None and storage.usb_mbit < _USB3_MBIT:
        yield Finding(
            WARN,
            "data storage",
            f"the disk with the data ({storage.device}) runs at {storage.usb_mbit} Mbit/s, which is USB 2",
            "Snapshots and synchronisations take several times as long.",
            "Plug it into a blue USB 3 port with a USB 3 cable; `lsusb -t` must then say 5000M.",
        )


def power_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """The supply holds its voltage, now and since boot."""
    power, kind = hardware.power, hardware.board.kind.value
    throttling = power.throttling.value
    supply = "5.1 V 5 A (27 W) supply of the Pi 5" if kind == "pi5" else "5.1 V 3 A USB-C supply"
    remedy = f"Use the official {supply} with its own cable and power further disks by a hub of their own"
    why = "The firmware slows the processor down, and disks on USB may drop out: no measurement holds."
    if power.low_voltage.value or (throttling and UNDER_VOLTAGE in throttling.now):
        said = throttling.raw if throttling else "in0_lcrit_alarm"
        yield Finding(WARN, "power", f"under-voltage now ({said})", why, f"{remedy}.")
    elif throttling and UNDER_VOLTAGE in throttling.since_boot:
        what = f"under-voltage since boot, though not now ({throttling.raw})"
        yield Finding(WARN, "power", what, why, f"{remedy}, then reboot, for `vcgencmd get_throttled` to start at 0x0.")
    if kind == "pi5" and power.supply_ma.value and power.supply_ma.value < _PI5_SUPPLY_MA:
        what = f"the supply offers {power.supply_ma.value} mA"
        yield Finding(
            WARN, "power", what, "All USB ports together get no more than 600 mA, too little for an SSD.", f"{remedy}."
        )


def throttling_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """The processor runs, and ran, at the speed that it has."""
    throttling = hardware.power.throttling.value
    if throttling is None:
        return
    now = [name for name in throttling.now if name != UNDER_VOLTAGE]
    before = [name for name in throttling.since_boot if name != UNDER_VOLTAGE and name not in now]
    starved = UNDER_VOLTAGE in (*throttling.now, *throttling.since_boot)
    remedy = (
        "Cure the under-voltage first"
        if starved
        else "Cool the board with a heat sink and a fan (`raspi-config nonint do_fan 0 14 60` drives one)"
    )
    why = "What is measured is the cooling or the supply, not the engine."
    if now:
        yield Finding(WARN, "speed", f"{', '.join(now)} now ({throttling.raw})", why, f"{remedy}.")
    if before:
        what = f"{', '.join(before)} since boot, though not now ({throttling.raw})"
        yield Finding(WARN, "speed", what, why, f"{remedy}, then reboot, for `vcgencmd get_throttled` to start at 0x0.")


def temperature_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """The processor is cool enough to take work."""
    found = hardware.power.temperature.value
    if found is None or found.limit is None or found.celsius < found.limit - _MARGIN:
        return
    fans = hardware.power.fans.value
    no_fan = "; the system knows of no fan" if fans is not None and not fans else ""
    yield Finding(
        WARN,
        "temperature",
        f"{found.celsius:.0f} °C, and it slows down at {found.limit:.0f} °C{no_fan}",
        "Under load it will be slowed down within seconds.",
        "Give it a fan and free air around it, and look again with `cat /sys/class/thermal/thermal_zone0/temp`.",
    )


def governor_findings(hardware: Hardware, wanted: Wanted) -> Iterator[Finding]:
    """The frequency does not have to be raised before a request is answered, or the settings will see to that."""
    governor = hardware.kernel.governor.value
    if governor is None or governor.driver in _CHOOSING_DRIVERS:
        return
    slow = [name for name in governor.name.split(", ") if name in _SLOW_GOVERNORS]
    if not slow or (wanted.governor and wanted.governor in governor.available):
        return
    better = next((name for name in ("performance", "schedutil") if name in governor.available), "performance")
    yield Finding(
        WARN,
        "CPU governor",
        f"the governor is {', '.join(slow)}",
        "A single request finds the processor at its lowest frequency, which doubles its time.",
        f"Set hardware_governor: {better}, with hardware_profile: auto, and run site.yml.",
    )


def swap_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """Memory is not swapped out to a card."""
    for swap in hardware.kernel.swap.value or ():
        if swap.storage == "sd-card":
            yield Finding(
                WARN,
                "swap",
                f"{swap.name} ({swap.size_mb} MB) is on an SD card",
                "A page that comes back from there stalls the server for tens of milliseconds.",
                "Run `swapoff -a && systemctl disable --now dphys-swapfile` (Raspberry Pi OS 12), or take its line "
                "out of /etc/fstab.",
            )


def memory_findings(hardware: Hardware, _: Wanted) -> Iterator[Finding]:
    """There is memory for data, for a snapshot of it, and for the observers."""
    memory = hardware.board.memory_mb.value
    if memory is not None and memory < _LEAST_MEMORY_MB:
        yield Finding(
            WARN,
            "memory",
            f"{memory} MB of memory, less than 2 GB",
            "Data, a snapshot under writes and the replication backlog hardly fit.",
            "Use a board with 2 GB or more, or keep keydb_maxmemory_mb at a quarter of the memory.",
        )


RULES: tuple[Rule, ...] = (
    architecture_findings,
    page_findings,
    cow_findings,
    storage_findings,
    power_findings,
    throttling_findings,
    temperature_findings,
    governor_findings,
    swap_findings,
    memory_findings,
)


def findings_of(hardware: Hardware, wanted: Wanted) -> list[Finding]:
    """What every rule finds, what stops first."""
    found = [finding for rule in RULES for finding in rule(hardware, wanted)]
    return sorted(found, key=lambda finding: finding.severity != STOP)
