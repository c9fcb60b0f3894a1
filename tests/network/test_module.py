"""What the module refuses, and what it finds to do."""

from __future__ import annotations

import pytest
from cluster_network import differences, protected
from cluster_network_change import Live

ADDRESSES = {
    "lo": ["127.0.0.1"],
    "eth0": ["192.0.2.11", "fe80::a"],
    "eth1": ["10.77.0.11", "fe80::b"],
    "br0": ["198.51.100.1"],
}
SSH = "the connection that Ansible came in by"


@pytest.mark.parametrize(
    ("ssh_address", "default_routes", "lower", "expected"),
    [
        ("192.0.2.11", ["eth0"], {}, {"eth0": SSH}),
        ("192.0.2.11", ["eth1"], {}, {"eth0": SSH, "eth1": "the default route"}),
        ("", ["eth0"], {}, {"eth0": "the default route"}),
        ("fe80::b%eth1", [], {}, {"eth1": SSH}),
        (
            "198.51.100.1",
            [],
            {"br0": ["eth0.7"], "eth0.7": ["eth0"]},
            {
                "br0": SSH,
                "eth0.7": f"{SSH}, through br0",
                "eth0": f"{SSH}, through br0, through eth0.7",
            },
        ),
        ("203.0.113.9", [], {}, {}),
    ],
)
def test_what_must_not_be_cut(
    ssh_address: str, default_routes: list[str], lower: dict[str, list[str]], expected: dict[str, str]
) -> None:
    assert protected(ADDRESSES, ssh_address, default_routes, lower) == expected


WANTED = ("10.77.0.11/24", 1500)


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (Live(("10.77.0.11/24",), 1500, up=True), []),
        (Live(("10.0.0.1/8", "10.77.0.11/24"), 1500, up=True), []),
        (Live((), 1500, up=True), ["eth1 has no IPv4 address, not 10.77.0.11/24"]),
        (Live(("10.77.0.11/16",), 1500, up=True), ["eth1 has 10.77.0.11/16, not 10.77.0.11/24"]),
        (Live(("10.77.0.11/24",), 9000, up=False), ["eth1 has an MTU of 9000, not 1500", "eth1 is down"]),
        (None, ["eth1 is not there"]),
    ],
)
def test_what_an_interface_is_not(live: Live | None, expected: list[str]) -> None:
    assert differences("eth1", WANTED, live) == expected
