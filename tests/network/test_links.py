"""What a link says of itself, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_network_links import Link, described, errors_grown, interface_of, link_problems, read_link, shaped_mbits
from cluster_network_pair import busy_percent, round_trip, throughput
from host_reader import HostReader

NET = "sys/class/net/eth1"
GOOD = Link("eth1", carrier=True, speed=1000, duplex="full", mtu=1500, errors={"rx_errors": 3, "tx_errors": 0})


def record(root: Path, texts: dict[str, str]) -> HostReader:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return HostReader(str(root))


def test_reads_a_real_link(tmp_path: Path) -> None:
    files = {"speed": "1000", "duplex": "full", "carrier": "1", "mtu": "1500", "statistics/rx_errors": "3"}
    texts = {f"{NET}/{name}": text for name, text in files.items()}
    texts[f"{NET}/device/vendor"] = "0x8086"
    texts["answers/tc qdisc show dev eth1 root"] = "qdisc mq 0: "
    assert read_link(record(tmp_path, texts), "eth1") == replace(GOOD, errors={"rx_errors": 3})


def test_a_virtual_interface_has_no_speed_whatever_it_says(tmp_path: Path) -> None:
    files = {"speed": "10000", "duplex": "full", "carrier": "1", "mtu": "1500"}
    link = read_link(record(tmp_path, {f"{NET}/{name}": text for name, text in files.items()}), "eth1")
    assert link == Link("eth1", virtual=True, carrier=True, mtu=1500)
    assert link_problems(link, link, 900) == []


@pytest.mark.parametrize("speed", ["-1", ""])
def test_what_the_driver_does_not_tell_is_unknown(tmp_path: Path, speed: str) -> None:
    texts = {f"{NET}/speed": speed, f"{NET}/duplex": "unknown", f"{NET}/device/vendor": ""}
    link = read_link(record(tmp_path, texts), "eth1")
    assert (link.speed, link.duplex, link.carrier) == (None, None, None)


def test_ethtool_tells_where_the_kernels_files_do_not(tmp_path: Path) -> None:
    told = "Settings for eth1:\n\tLink partner advertised link modes:  10baseT/Half 10baseT/Full\n\t\t\t100baseT/Full\n"
    told += "\tLink partner advertised pause frame use: No\n\tSpeed: 100Mb/s\n\tDuplex: Half\n"
    link = read_link(record(tmp_path, {f"{NET}/device/vendor": "", "answers/ethtool eth1": told}), "eth1")
    assert (link.speed, link.duplex) == (100, "half")
    assert link.partner == "10baseT/Half 10baseT/Full 100baseT/Full"


@pytest.mark.parametrize(
    ("told", "mbits"),
    [
        ("qdisc tbf 8001: root refcnt 2 rate 1Gbit burst 256Kb lat 50ms", 1000),
        ("qdisc tbf 8001: root refcnt 2 rate 100Mbit burst 256Kb lat 50ms", 100),
        ("qdisc netem 8002: root refcnt 2 limit 1000 delay 1ms rate 500Kbit", 0.5),
        ("qdisc noqueue 0: root refcnt 2", None),
        ("", None),
    ],
)
def test_reads_what_a_host_holds_its_traffic_to(told: str, mbits: float | None) -> None:
    assert shaped_mbits(told) == mbits


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (replace(GOOD, carrier=False, speed=None), "eth1 has no link"),
        (replace(GOOD, speed=100), "eth1 is negotiated at 100 Mb/s"),
        (replace(GOOD, duplex="half"), "eth1 is half duplex"),
        (replace(GOOD, errors={"rx_errors": 10, "tx_errors": 0}), "eth1 counts errors: rx_errors +7"),
        (replace(GOOD, mtu=9000), "eth1 has an MTU of 9000, not 1500"),
    ],
)
def test_what_is_wrong_with_a_link(after: Link, problem: str) -> None:
    (found,) = link_problems(GOOD, after, 900, mtu=1500)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (GOOD, "eth1: 1000 Mb/s, full duplex, MTU 1500"),
        (Link("eth1", virtual=True), "eth1: speed unknown, duplex unknown (a virtual interface), MTU unknown"),
    ],
)
def test_a_link_in_a_few_words(link: Link, words: str) -> None:
    assert described(link) == words


def test_a_good_link_has_no_problem() -> None:
    assert link_problems(GOOD, GOOD, 900, mtu=1500) == []
    assert errors_grown(GOOD, replace(GOOD, errors={"collisions": 5})) == {}


def test_finds_the_interface_of_an_address(tmp_path: Path) -> None:
    told = '[{"ifname": "lo", "addr_info": []}, {"ifname": "eth1", "addr_info": [{"local": "10.77.0.11"}]}]'
    reader = record(tmp_path, {"answers/ip -json -4 address show": told})
    assert interface_of(reader, "10.77.0.11") == "eth1"
    assert interface_of(reader, "10.77.0.12") is None


def test_round_trip() -> None:
    told = "".join(f"64 bytes from 10.77.0.12: icmp_seq={n} ttl=64 time={n}.5 ms\n" for n in (1, 2, 9))
    assert round_trip(told, 4) == {"sent": 4, "answered": 3, "median_ms": 2.5, "worst_ms": 9.5}
    assert round_trip("", 4) == {"sent": 4, "answered": 0, "median_ms": None, "worst_ms": None}


def test_how_busy_a_host_was() -> None:
    before = "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n"
    assert busy_percent(before, "cpu  160 0 115 715 110 0 0 0 0 0\n") == 75.0
    assert busy_percent(before, before) is None


def test_throughput() -> None:
    told = """{"end": {"sum_sent": {"retransmits": 12}, "sum_received": {"bits_per_second": 943123456.7},
      "cpu_utilization_percent": {"host_total": 20.1, "remote_total": 31.5}}}"""
    assert throughput(told) == {
        "mbits": 943.1,
        "retransmits": 12,
        "sender_cpu": 20.1,
        "receiver_cpu": 31.5,
        "error": "",
    }


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ('{"start": {}, "end": {}, "error": "unable to connect to server: Connection refused"}', "Connection refused"),
        ("iperf3: not found", "iperf3: not found"),
        ("", "iperf3 said nothing"),
    ],
)
def test_a_measurement_that_failed(told: str, error: str) -> None:
    found = throughput(told)
    assert found["mbits"] is None
    assert error in found["error"]
