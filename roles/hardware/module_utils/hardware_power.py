# SPDX-License-Identifier: MIT
"""Power, heat and what the board did about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible.module_utils.hardware_fact import Fact
from ansible.module_utils.host_reader import HostReader

UNDER_VOLTAGE = "under-voltage"
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled: bits 0 to 3 are now, the same
# 16 bits higher have been since boot.
THROTTLED_BITS = (UNDER_VOLTAGE, "frequency capped", "throttled", "soft temperature limit")
_SINCE_BOOT = 16
_SYSFS = "/sys/devices/platform/soc/soc:firmware/get_throttled"
_SUPPLY = "/proc/device-tree/chosen/power/max_current"
# The firmware slows the processor down from 80 °C on.
_PI_LIMIT = 80.0
_ZONE_TYPES = "/sys/class/thermal/thermal_zone*/type"
# By trust: the processor's own sensor first.
_ZONES = ("cpu-thermal", "cpu_thermal", "soc-thermal", "x86_pkg_temp")
_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_LIMITING = ("passive", "hot", "critical")


@dataclass(frozen=True)
class Throttling:
    """What the firmware's number says, bit by bit."""

    raw: str
    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclass(frozen=True)
class Temperature:
    """Of the processor, in °C; ``limit`` is where it slows down, None if that cannot be told."""

    celsius: float
    limit: float | None


@dataclass(frozen=True)
class Power:
    """Power, heat and cooling of one host. ``low_voltage`` is the kernel's own alarm; ``supply_ma`` in mA, Pi 5 only.

    ``fans`` are those that the system knows of: one that is wired to 5 V directly is none of them.
    """

    throttling: Fact[Throttling]
    low_voltage: Fact[bool]
    supply_ma: Fact[int]
    temperature: Fact[Temperature]
    fans: Fact[tuple[str, ...]]


def read_power(reader: HostReader, kind: str | None) -> Power:
    """Read all of it for a board of this kind (see Board)."""
    is_pi = (kind or "").startswith("pi")
    return Power(
        throttling=read_throttling(reader),
        low_voltage=_low_voltage(reader),
        supply_ma=_supply(reader),
        temperature=_temperature(reader, is_pi=is_pi),
        fans=_fans(reader, is_pi=is_pi),
    )


def decode_throttled(number: int) -> Throttling:
    """Name each bit that is set."""
    return Throttling(
        raw=hex(number),
        now=tuple(name for bit, name in enumerate(THROTTLED_BITS) if number >> bit & 1),
        since_boot=tuple(name for bit, name in enumerate(THROTTLED_BITS) if number >> bit + _SINCE_BOOT & 1),
    )


def parse_throttled(text: str | None) -> int | None:
    """The number of "throttled=0x50005", or of the kernel's file, which has "50005"; None if it is neither."""
    match = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-f]+)", (text or "").strip(), re.IGNORECASE)
    return int(match.group(1), 16) if match else None


def read_throttling(reader: HostReader) -> Fact[Throttling]:
    """Ask the firmware by its program, else by the kernel's file."""
    answers = {"vcgencmd get_throttled": reader.answer("vcgencmd", "get_throttled"), _SYSFS: reader.text(_SYSFS)}
    for source, text in answers.items():
        number = parse_throttled(text)
        if number is not None:
            return Fact(decode_throttled(number), source)
    return Fact(None, f"vcgencmd get_throttled and {_SYSFS}")


def _sensor(reader: HostReader, *names: str) -> str | None:
    """Directory of the first hardware monitor of one of these names."""
    for name in names:
        for path in reader.paths("/sys/class/hwmon/hwmon*/name"):
            if reader.text(path) == name:
                return str(PurePosixPath(path).parent)
    return None


def _low_voltage(reader: HostReader) -> Fact[bool]:
    home = _sensor(reader, "rpi_volt")
    alarm = reader.number(f"{home}/in0_lcrit_alarm") if home else None
    return Fact(None if alarm is None else bool(alarm), f"{home}/in0_lcrit_alarm" if home else "hwmon rpi_volt")


def _supply(reader: HostReader) -> Fact[int]:
    """Big-endian, as a device tree has numbers; 0 is a supply that did not say."""
    return Fact(int.from_bytes(reader.data(_SUPPLY) or b"", "big") or None, _SUPPLY)


def _temperature(reader: HostReader, *, is_pi: bool) -> Fact[Temperature]:
    zones = {reader.text(path): str(PurePosixPath(path).parent) for path in reader.paths(_ZONE_TYPES)}
    home = next((zones[name] for name in _ZONES if name in zones), None)
    sensor = _sensor(reader, *_SENSORS)
    path = f"{home}/temp" if home else f"{sensor}/temp1_input" if sensor else None
    milli = reader.number(path) if path else None
    if milli is None:
        return Fact(None, "thermal zones and hwmon")
    limit = _PI_LIMIT if is_pi else _trip(reader, home) or _critical(reader, sensor)
    return Fact(Temperature(milli / 1000, limit), str(path))


def _trip(reader: HostReader, zone: str | None) -> float | None:
    """The lowest temperature at which the kernel would do something; zones have unused points at 0 and below."""
    points = []
    for path in reader.paths(f"{zone}/trip_point_*_type") if zone else ():
        milli = reader.number(path[: -len("type")] + "temp")
        if milli and milli > 0 and reader.text(path) in _LIMITING:
            points.append(milli / 1000)
    return min(points, default=None)


def _critical(reader: HostReader, sensor: str | None) -> float | None:
    milli = reader.number(f"{sensor}/temp1_crit") if sensor else None
    return milli / 1000 if milli else None


def _fans(reader: HostReader, *, is_pi: bool) -> Fact[tuple[str, ...]]:
    found = []
    for path in reader.paths("/sys/class/hwmon/hwmon*/fan*_input"):
        name = reader.text(str(PurePosixPath(path).parent / "name")) or "fan"
        found.append(f"{name} at {reader.number(path)} rpm")
    if not found:
        types = [reader.text(path) or "" for path in reader.paths("/sys/class/thermal/cooling_device*/type")]
        found = [name for name in types if "fan" in name.lower()]
    # A PC's fans are often its firmware's business alone, so that none is seen there says nothing.
    return Fact(tuple(found) if found or is_pi else None, "hwmon fan inputs and thermal cooling devices")
