"""What is made of chronyc's answers, recorded from chrony 4.3, and of the host around it."""

from __future__ import annotations

import pytest
from node_timestamps import can_timestamp, has_hardware_timestamps
from time_sync_facts import (
    Source,
    Tracking,
    interface_of,
    parse_sources,
    parse_tracking,
    trouble_of,
)

SYNCHRONISED = (
    "0A4D000B,10.77.0.11,9,1795432529.859946341,-0.000001223,0.000000079,0.000000219,-0.012,0.002,0.146,"
    "0.000005762,0.000000532,1.0,Normal\n"
)
LOCAL = (
    "7F7F0101,,8,1795432519.187240959,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "0.000000000,0.000000000,0.0,Normal\n"
)
UNSYNCHRONISED = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "1.000000000,1.000000000,0.0,Not synchronised\n"
)
SOURCES = (
    "^,*,10.77.0.11,8,0,377,1,0.000002345,0.000001234,0.000034567\n"
    "^,?,10.77.0.12,0,0,0,4294967295,0.000000000,0.000000000,0.000000000\n"
)
SERVER, NODE = "10.77.0.11", "10.77.0.12"


def tracking(text: str = SYNCHRONISED) -> Tracking:
    found = parse_tracking(text)
    assert found is not None
    return found


def test_a_host_that_follows() -> None:
    found = tracking()
    assert (found.reference, found.stratum, found.leap) == (SERVER, 9, "Normal")
    assert found.is_synchronised
    assert not found.is_local
    # chronyc gives what is to be added to the clock: it is ahead by as much with the other sign.
    assert found.offset_s == 0.000001223
    assert found.root_delay_s == 0.000005762
    assert found.root_dispersion_s == 0.000000532
    assert found.error_bound_s == pytest.approx(0.000001223 + 0.000000532 + 0.000005762 / 2, abs=1e-15)
    assert (found.frequency_ppm, found.skew_ppm) == (-0.012, 0.146)


def test_a_host_that_is_its_own_reference() -> None:
    found = tracking(LOCAL)
    assert found.is_local
    assert found.is_synchronised
    assert found.reference == ""
    assert (str(found.offset_s), found.error_bound_s) == ("0.0", 0.0)


def test_a_host_that_is_not_synchronised() -> None:
    found = tracking(UNSYNCHRONISED)
    assert not found.is_synchronised
    assert not found.is_local
    assert found.error_bound_s == 1.5


@pytest.mark.parametrize("leap", ["Insert second", "Delete second"])
def test_a_leap_second_to_come_is_no_trouble(leap: str) -> None:
    found = tracking(SYNCHRONISED.replace("Normal", leap))
    assert found.is_synchronised
    assert trouble_of(found, [], [SERVER], may_lead=False) == ""


@pytest.mark.parametrize(
    "text", [None, "", "506 Cannot talk to daemon\n", SYNCHRONISED * 2, SYNCHRONISED.replace("9", "x")]
)
def test_no_such_answer(text: str | None) -> None:
    assert parse_tracking(text) is None


def test_sources() -> None:
    heard, silent = parse_sources(SOURCES)
    assert heard == Source(SERVER, "selected", 8, 0, 8, 1, 0.000002345, 0.000034567)
    assert (silent.address, silent.state, silent.reach) == (NODE, "unusable", 0)
    assert parse_sources(SOURCES.replace(",377,", ",17,"))[0].reach == 4


@pytest.mark.parametrize("text", [None, "", "506 Cannot talk to daemon", "^,*,a,b\n"])
def test_no_sources(text: str | None) -> None:
    assert parse_sources(text) == []


@pytest.mark.parametrize(
    ("text", "servers", "may_lead", "trouble"),
    [
        (SYNCHRONISED, [SERVER], False, ""),
        (SYNCHRONISED, [NODE, SERVER], False, ""),
        (SYNCHRONISED, [NODE], False, f"follows {SERVER}, not {NODE}"),
        (SYNCHRONISED, [], True, ""),
        (LOCAL, [], True, ""),
        (LOCAL, [SERVER], False, f"takes its own clock for the time, not that of {SERVER}"),
        (UNSYNCHRONISED, [], True, "is not synchronised to any source (chronyd knows no source)"),
    ],
)
def test_trouble(text: str, servers: list[str], may_lead: bool, trouble: str) -> None:
    assert trouble_of(tracking(text), [], servers, may_lead=may_lead) == trouble


def test_trouble_tells_what_was_heard_of_each_source() -> None:
    said = trouble_of(tracking(UNSYNCHRONISED), parse_sources(SOURCES), [SERVER, NODE], may_lead=False)
    assert said == (
        f"is not synchronised to {SERVER} or {NODE} "
        f"({SERVER} is selected, 8 of 8 answers; {NODE} is unusable, 0 of 8 answers)"
    )
    assert trouble_of(None, [], [SERVER], may_lead=False) == "chronyd does not answer"


def test_interface() -> None:
    listed = (
        '[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},{"ifname":"eth9"},'
        '{"ifname":"eth1","addr_info":[{"local":"10.0.0.1"},{"local":"10.77.0.12"}]}]'
    )
    assert interface_of(NODE, listed) == "eth1"
    assert interface_of(SERVER, listed) == ""
    assert interface_of(NODE, None) == interface_of(NODE, "no json") == ""


@pytest.mark.parametrize(
    ("capabilities", "enough"),
    [
        # As "ethtool -T" shows them: an Intel I210, a Raspberry Pi 4B (transmit and receive, software), a virtual link.
        (0x5F, True),
        (0x1A, False),
        (0x18, False),
        (0x45, True),
        (0x44, False),
        (0, False),
    ],
)
def test_hardware_timestamps(capabilities: int, enough: bool) -> None:
    assert can_timestamp(capabilities) is enough


def test_interfaces_without_hardware_timestamps() -> None:
    assert not has_hardware_timestamps("lo")
    assert not has_hardware_timestamps("no-such-link")
