"""What is said of a host: of every recorded board, and of each thing that can be wrong by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hardware_boards import BAD, GOOD, read
from hardware_fact import Fact
from hardware_findings import Finding, Wanted, findings_of
from hardware_host import Hardware, read_hardware
from hardware_kernel import Governor
from hardware_power import Temperature, decode_throttled
from host_reader import HostReader

# As the role's defaults have it.
WANTED = Wanted(governor="performance")


def _with(part: str, name: str = "pi4b-4gb", **facts: Any) -> Hardware:
    """A recorded board with other facts in one of its parts."""
    hardware = read(name)
    changed = replace(getattr(hardware, part), **{fact: Fact(value, "test") for fact, value in facts.items()})
    return replace(hardware, **{part: changed})


def _found(hardware: Hardware, wanted: Wanted = WANTED) -> list[tuple[str, str]]:
    return [(finding.severity, finding.about) for finding in findings_of(hardware, wanted)]


@pytest.mark.parametrize("engine", ["keydb", "valkey"])
@pytest.mark.parametrize("name", GOOD)
def test_no_false_alarm_on_a_good_board(name: str, engine: str) -> None:
    assert findings_of(read(name), replace(WANTED, engine=engine)) == []


@pytest.mark.parametrize("name", BAD)
def test_each_problem_of_a_board_is_named_with_its_remedy(name: str) -> None:
    findings = findings_of(read(name), WANTED)
    for said in BAD[name]:
        (finding,) = [each for each in findings if said.what in each.what]
        assert finding.severity == said.severity
        assert said.remedy in finding.remedy
    assert len(findings) == len(BAD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_remedy_is_one_sentence(name: str) -> None:
    for finding in findings_of(read(name), WANTED):
        assert finding.remedy.endswith(".")
        assert ". " not in finding.remedy
        assert finding.why.endswith(".")


def test_what_is_unknown_is_no_alarm(tmp_path: Path) -> None:
    assert findings_of(read_hardware(HostReader(str(tmp_path)), "/"), WANTED) == []


def test_what_stops_comes_first() -> None:
    hardware = replace(read("pi4b-under-voltage"), cow_bug=Fact(True, "test"))
    assert _found(hardware)[0] == ("stop", "arm64 copy-on-write")


# --- architecture ---


def test_a_32_bit_kernel_is_refused() -> None:
    hardware = _with("board", kernel_architecture="armv7l", kernel_bits=32, user_architecture="armhf", user_bits=32)
    (finding,) = findings_of(hardware, WANTED)
    assert (finding.severity, finding.what) == ("stop", "the kernel is 32-bit (kernel armv7l, user space armhf)")
    assert "Raspberry Pi Imager" in finding.remedy


def test_a_32_bit_pc_is_told_what_is_for_it() -> None:
    hardware = _with(
        "board", "pc-nvme", kernel_architecture="i686", kernel_bits=32, user_architecture="i386", user_bits=32
    )
    (finding,) = findings_of(hardware, WANTED)
    assert "Install the amd64 or arm64 edition" in finding.remedy


def test_another_64_bit_architecture_is_refused() -> None:
    assert _found(_with("board", user_architecture="riscv64")) == [("stop", "architecture")]


# --- pages ---


def test_a_build_for_larger_pages_runs_on_them() -> None:
    assert _found(read("pi5-16k"), replace(WANTED, engine_page_size=16384)) == []
    assert _found(read("pi5-16k"), replace(WANTED, engine_page_size=65536)) == []
    assert _found(_with("board", page_size=65536), replace(WANTED, engine_page_size=16384)) == [("stop", "page size")]


def test_the_engines_of_the_distributions_run_on_all_pages() -> None:
    assert _found(read("pi5-16k"), replace(WANTED, engine="valkey")) == []


def test_the_build_that_would_do_is_named() -> None:
    (finding,) = findings_of(read("pi5-16k"), WANTED)
    assert "--with-lg-page=14 set hardware_engine_page_size: 16384" in finding.remedy


# --- copy-on-write ---


def test_the_bug_is_a_warning_only_where_it_was_accepted() -> None:
    (finding,) = findings_of(read("pi4b-old-kernel"), replace(WANTED, ignore_cow_bug=True))
    assert finding.severity == "warn"
    assert "hardware_ignore_cow_bug tells the engine to ignore" in finding.what


# --- storage ---


def test_an_sd_card_stays_a_warning_when_it_is_spared() -> None:
    findings = findings_of(read("pi4b-sd-card"), replace(WANTED, spare_storage=True))
    (finding,) = [each for each in findings if each.about == "data storage"]
    assert "with persistence tuned down as asked" in finding.what
    assert "hardware_spare_storage" not in finding.remedy


def test_a_card_that_has_no_data_is_fine(tmp_path: Path) -> None:
    """The system on a card, the data on an SSD: only the mount of the data counts."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(
        "1 1 179:2 / / rw - ext4 /dev/mmcblk0 rw\n2 1 8:1 / /srv/ssd rw - ext4 /dev/sda rw\n"
    )
    for name, kind in (("mmcblk0", "SD"), ("sda", "")):
        home = tmp_path / "sys/devices" / name / "block" / name
        home.mkdir(parents=True)
        (home.parents[1] / "type").write_text(kind)
        (tmp_path / "sys/block").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/block" / name).symlink_to(f"../devices/{name}/block/{name}")
    reader = HostReader(str(tmp_path))
    assert _found(read_hardware(reader, "/srv/ssd/keydb")) == []
    assert _found(read_hardware(reader, "/var/lib/keydb")) == [("warn", "data storage")]


# --- power and speed ---


@pytest.mark.parametrize(
    ("number", "about", "words"),
    [
        (0x1, ["power"], "under-voltage now"),
        (0x10000, ["power"], "under-voltage since boot, though not now"),
        (0x2, ["speed"], "frequency capped now"),
        (0x20000, ["speed"], "frequency capped since boot, though not now"),
        (0x4, ["speed"], "throttled now"),
        (0x40000, ["speed"], "throttled since boot, though not now"),
        (0x8, ["speed"], "soft temperature limit now"),
        (0x80000, ["speed"], "soft temperature limit since boot, though not now"),
    ],
)
def test_each_bit_is_a_finding_that_tells_now_from_before(number: int, about: list[str], words: str) -> None:
    findings = findings_of(_with("power", throttling=decode_throttled(number)), WANTED)
    assert [finding.about for finding in findings] == about
    assert findings[0].what == f"{words} ({number:#x})"


def test_what_is_now_is_not_said_again_as_before() -> None:
    findings = findings_of(_with("power", throttling=decode_throttled(0xF000F)), WANTED)
    assert [finding.what for finding in findings] == [
        "under-voltage now (0xf000f)",
        "frequency capped, throttled, soft temperature limit now (0xf000f)",
    ]


def test_the_kernels_alarm_alone_counts() -> None:
    findings = findings_of(_with("power", low_voltage=True, throttling=None), WANTED)
    assert [finding.what for finding in findings] == ["under-voltage now (in0_lcrit_alarm)"]


def test_a_strong_supply_and_a_silent_one_are_fine() -> None:
    for supply in (5000, None):
        assert _found(_with("power", "pi5-4k", supply_ma=supply)) == []


@pytest.mark.parametrize(("celsius", "limit", "told"), [(74.9, 80, False), (75, 80, True), (99, None, False)])
def test_heat_is_told_before_it_slows(celsius: float, limit: float | None, told: bool) -> None:
    assert bool(_found(_with("power", temperature=Temperature(celsius, limit)))) is told


def test_a_fan_that_is_there_is_not_missed() -> None:
    (finding,) = findings_of(_with("power", "pi5-4k", temperature=Temperature(81, 80)), WANTED)
    assert "no fan" not in finding.what


# --- governor, swap, memory ---


@pytest.mark.parametrize(
    ("name", "driver", "told"),
    [
        ("ondemand", "cpufreq-dt", True),
        ("powersave", "acpi-cpufreq", True),
        ("conservative, performance", "cpufreq-dt", True),
        ("performance", "cpufreq-dt", False),
        ("schedutil", "cpufreq-dt", False),
        ("powersave", "intel_pstate", False),
    ],
)
def test_a_slow_governor_is_told_where_nothing_will_change_it(name: str, driver: str, told: bool) -> None:
    hardware = _with("kernel", governor=Governor(name, driver, ("ondemand", "powersave", "performance")))
    assert bool(_found(hardware, Wanted())) is told
    # The settings will see to it, where they can.
    assert _found(hardware, WANTED) == []
    assert bool(_found(hardware, Wanted(governor="schedutil"))) is told


def test_swap_in_memory_is_fine() -> None:
    assert _found(read("pc-sata")) == []


@pytest.mark.parametrize(("memory", "told"), [(1535, True), (1536, False), (1848, False), (None, False)])
def test_boards_that_are_sold_as_2_gb_count_as_such(memory: int | None, told: bool) -> None:
    assert bool(_found(_with("board", memory_mb=memory))) is told


def test_a_finding_says_all_of_it() -> None:
    (finding,) = findings_of(read("pi5-16k"), WANTED)
    assert isinstance(finding, Finding)
    assert all((finding.about, finding.what, finding.why, finding.remedy))
