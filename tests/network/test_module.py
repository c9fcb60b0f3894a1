"""What the module refuses, and what it finds to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cluster_network
import pytest
from cluster_network import confirm
from cluster_network_change import APPLIED, PENDING, UNDOING, UNDONE, Live
from cluster_network_guards import protected
from cluster_network_plan import differences

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


GIVEN = {"state": "present", "interface": "eth1", "address": "10.77.0.11/24", "mtu": 1500, "token": ""}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A change that was made a while ago, on a host that SSH came in to by eth0."""
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / PENDING).touch()
    (directory / APPLIED).write_text("a token", encoding="utf-8")
    os.utime(directory / APPLIED, (1, 1))
    monkeypatch.setattr(cluster_network, "STATE", directory)
    monkeypatch.setattr(cluster_network, "disarm", lambda: None)
    monkeypatch.setattr(cluster_network, "live_of", lambda _: Live(("10.77.0.11/24",), 1500, up=True))
    monkeypatch.setattr(cluster_network, "ssh_address", lambda: "192.0.2.11")
    return directory


def asked(**changes: Any) -> dict[str, Any]:
    return confirm(GIVEN | changes, ADDRESSES)


def test_only_who_has_heard_of_the_change_confirms_it(state: Path) -> None:
    """A command that was under way when the change cut its connection must not."""
    told = asked()
    assert (told["outcome"], told["token"]) == ("waiting", "a token")
    assert asked(token="another")["outcome"] == "waiting"
    assert (state / PENDING).exists()
    assert asked(token=told["token"])["outcome"] == "confirmed"
    assert not state.exists()


def test_the_address_that_ssh_came_in_by_must_still_be_there(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_network, "ssh_address", lambda: "203.0.113.1")
    told = asked(token="a token")
    assert told["outcome"] == "waiting"
    assert told["differences"] == ["203.0.113.1, which SSH came in by, is gone"]
    assert (state / PENDING).exists()


@pytest.mark.usefixtures("state")
def test_an_interface_that_is_not_as_it_should_be_is_not_confirmed() -> None:
    told = asked(token="a token", mtu=9000)
    assert (told["outcome"], told["token"]) == ("waiting", "")
    assert told["differences"] == ["eth1 has an MTU of 1500, not 9000"]


def test_a_change_that_has_only_just_been_made_is_waited_for(state: Path) -> None:
    os.utime(state / APPLIED)
    assert asked(token="a token")["differences"] == ["the change is still being made"]
    (state / APPLIED).unlink()
    assert asked(token="a token")["outcome"] == "waiting"


@pytest.mark.parametrize(("file", "outcome"), [(UNDOING, "undoing"), (UNDONE, "undone")])
def test_what_is_taken_back_is_not_confirmed(state: Path, file: str, outcome: str) -> None:
    (state / PENDING).rename(state / file)
    assert asked(token="a token")["outcome"] == outcome


def test_the_one_that_comes_first_wins(state: Path) -> None:
    (state / PENDING).unlink()
    assert asked(token="a token")["outcome"] == "undoing"
