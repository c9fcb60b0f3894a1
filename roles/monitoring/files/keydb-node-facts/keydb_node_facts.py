# SPDX-License-Identifier: MIT
"""Facts of a node that no exporter has, written as a file for node exporter's textfile collector.

When certificates end, what the board's firmware says about power and heat, how far the clock may be off, and what the
healing found. A timer runs it; it needs nothing but Python's standard library and the module beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import ssl
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from host_reader import HostReader

# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled: bits 0 to 3 are now, the same 16 bits
# higher have been since boot.
CONDITIONS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
_WHEN = {"now": 0, "since boot": 16}
_FIRMWARE = "/sys/devices/platform/soc/soc:firmware/get_throttled"
# As the app asks, so that both say the same: over the host's own network, which a sandboxed unit can reach.
_CHRONY = ("chronyc", "-h", "127.0.0.1", "-c", "-n", "tracking")
_CHRONY_FIELDS = 14
_OFFSET, _DELAY, _DISPERSION, _LEAP = 4, 10, 11, 13
_SYNCHRONISED = ("Normal", "Insert second", "Delete second")


@dataclass
class Family:
    """A metric: its name (which ends in its unit, if it has one), what it is, and its samples by their labels."""

    name: str
    help: str
    kind: str = "gauge"
    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Adds a sample."""
        self.samples.append((labels, value))


def certificates(reader: HostReader, files: Iterable[str]) -> Iterator[Family]:
    """When the first certificate of each PEM file ends, asked of openssl."""
    family = Family(
        "keydb_node_certificate_expiry_timestamp_seconds",
        "When a certificate ends, in Unix time; 0 where it cannot be read.",
    )
    for file in files:
        answer = reader.answer("openssl", "x509", "-noout", "-enddate", "-in", file) or ""
        family.add(_end_of(answer.removeprefix("notAfter=")), file=file)
    yield family


def _end_of(text: str) -> float:
    try:
        return float(ssl.cert_time_to_seconds(text))
    except ValueError:
        return 0.0


def throttling(reader: HostReader) -> Iterator[Family]:
    """What the firmware of a Raspberry Pi says, by its program, else by the kernel's file; nothing on other boards."""
    number = None
    for text in (reader.answer("vcgencmd", "get_throttled"), reader.text(_FIRMWARE)):
        match = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-f]+)", text or "", re.IGNORECASE)
        if match and number is None:
            number = int(match.group(1), 16)
    if number is None:
        return
    family = Family("keydb_node_throttling", "1 where the board's firmware says so, now or since boot.")
    for when, shift in _WHEN.items():
        for bit, condition in enumerate(CONDITIONS):
            family.add(number >> bit + shift & 1, condition=condition, when=when)
    yield family


def clock(reader: HostReader) -> Iterator[Family]:
    """Whether chronyd is synchronised, and how far the clock may be off: |offset| + dispersion + delay / 2, chronyc(1).

    A host that is its own reference is off by nothing from itself.
    """
    facts = (reader.answer(*_CHRONY) or "").split(",")
    error = None
    if len(facts) == _CHRONY_FIELDS and facts[_LEAP] in _SYNCHRONISED:
        try:
            error = abs(float(facts[_OFFSET])) + float(facts[_DISPERSION]) + float(facts[_DELAY]) / 2
        except ValueError:
            error = None
    synchronised = Family("keydb_node_clock_synchronised", "1 while chronyd says that it is.")
    synchronised.add(float(error is not None))
    yield synchronised
    bound = Family("keydb_node_clock_error_seconds", "How far the clock may be off, by chrony; absent when unknown.")
    if error is not None:
        bound.add(error)
    yield bound


def healing(state: Path) -> Iterator[Family]:
    """What keydb-observer heal keeps from one time to the next, in ``last.json``; zeros before the first time.

    A file that was spoiled is as good as none, as it is for who wrote it.
    """
    known = {}
    try:
        known = json.loads((state / "last.json").read_text(encoding="utf-8"))
        ran = Family("keydb_healing_run_timestamp_seconds", "When the healing ran last, in Unix time.")
        ran.add((state / "last.json").stat().st_mtime)
        yield ran
    except (FileNotFoundError, ValueError):
        pass
    repaired = Family("keydb_healing_repaired_keys_total", "Keys that the healing made equal.", "counter")
    repaired.add(known.get("repaired", 0))
    yield repaired
    left = Family("keydb_healing_different_keys", "Keys that the last repair left different, or changing.")
    left.add(known.get("left", 0))
    yield left
    waits = Family("keydb_healing_waits", "1 while something keeps the healing from looking at the keys.")
    waits.add(float(bool(known.get("trouble"))))
    yield waits


def rendered(families: Iterable[Family]) -> str:
    """The text format of Prometheus; a family without samples is left out."""
    lines = []
    for family in families:
        if not family.samples:
            continue
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{family.name}{{{shown}}} {value!r}" if shown else f"{family.name} {value!r}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def write(text: str, path: Path) -> None:
    """Replaces the file as a whole and at once, readable by all. Raises OSError."""
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(new).chmod(0o644)
        Path(new).replace(path)
    finally:
        Path(new).unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    """Reads what it is told to and writes the file. Raises OSError where that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the file, whose name ends in .prom")
    parser.add_argument("--certificate", action="append", default=[], help="a PEM file; may be repeated")
    parser.add_argument("--hardware", default="/", help="the host's root, or a recording of a board")
    parser.add_argument("--clock", action="store_true", help="ask chronyd")
    parser.add_argument("--healing", type=Path, help="the directory in which the healing keeps what it knows")
    given = parser.parse_args(arguments)
    reader = HostReader()
    families = [*certificates(reader, given.certificate), *throttling(HostReader(given.hardware))]
    families += clock(reader) if given.clock else ()
    families += healing(given.healing) if given.healing else ()
    write(rendered(families), given.output)


if __name__ == "__main__":
    main(sys.argv[1:])
