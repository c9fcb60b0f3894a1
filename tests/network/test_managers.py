"""Which manager configures an interface, why, and what it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_network_managers import (
    FILES,
    Found,
    RefusedError,
    configured,
    decided,
    entering,
    leaving,
    read_found,
    returning,
)
from host_reader import HostReader

PI_OS = Found(nm_state="disconnected", ifupdown_installed=True, ifupdown_includes=True)
UBUNTU_DESKTOP = Found(
    nm_state="connected",
    netplan_installed=True,
    netplan_files=("/etc/netplan/01-network-manager-all.yaml",),
    netplan_renderer="NetworkManager",
)
UBUNTU_SERVER = Found(networkd_runs=True, netplan_installed=True, netplan_files=("/etc/netplan/50-cloud-init.yaml",))
NETWORKD = Found(networkd_runs=True)
DEBIAN = Found(ifupdown_installed=True, ifupdown_includes=True)


@pytest.mark.parametrize(
    ("found", "manager", "reason"),
    [
        (PI_OS, "networkmanager", "NetworkManager runs and manages eth1 (disconnected)"),
        (UBUNTU_DESKTOP, "networkmanager", "NetworkManager runs and manages eth1"),
        (UBUNTU_SERVER, "netplan", "/etc/netplan/50-cloud-init.yaml"),
        (NETWORKD, "networkd", "systemd-networkd runs"),
        (replace(NETWORKD, netplan_installed=True), "networkd", "neither NetworkManager nor netplan"),
        (replace(NETWORKD, nm_state="unmanaged"), "networkd", "systemd-networkd runs"),
        (DEBIAN, "ifupdown", "ifupdown is installed"),
        (replace(DEBIAN, nm_state="unmanaged"), "ifupdown", "nothing else is in charge"),
    ],
)
def test_finds_out_who_is_in_charge(found: Found, manager: str, reason: str) -> None:
    taken, why = decided("auto", found, "eth1")
    assert taken == manager
    assert reason in why


@pytest.mark.parametrize(
    ("asked", "found", "why"),
    [
        ("auto", Found(), "nothing on this host can configure eth1: NetworkManager does not run"),
        ("auto", replace(DEBIAN, ifupdown_includes=False), "does not include /etc/network/interfaces.d"),
        ("auto", replace(DEBIAN, ifupdown_owner="/etc/network/interfaces"), "is configured in /etc/network/interfaces"),
        ("networkmanager", NETWORKD, "NetworkManager does not run"),
        ("networkmanager", Found(nm_state="unmanaged"), "has been told not to manage eth1"),
        ("networkd", replace(NETWORKD, nm_state="connected"), "NetworkManager manages eth1"),
        ("ifupdown", PI_OS, "NetworkManager manages eth1"),
        ("networkd", DEBIAN, "systemd-networkd does not run"),
        ("netplan", NETWORKD, "netplan is not installed"),
        ("netplan", Found(netplan_installed=True), "networkd, does not run"),
        ("ifupdown", NETWORKD, "ifupdown is not installed"),
    ],
)
def test_refuses_what_would_not_work(asked: str, found: Found, why: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        decided(asked, found, "eth1")
    assert why in str(refusal.value)


def test_takes_the_manager_that_was_asked_for() -> None:
    assert decided("netplan", replace(NETWORKD, netplan_installed=True), "eth1")[0] == "netplan"
    assert decided("netplan", UBUNTU_DESKTOP, "eth1")[0] == "netplan"
    assert decided("networkd", UBUNTU_SERVER, "eth1")[0] == "networkd"


def record(root: Path, texts: dict[str, str]) -> HostReader:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return HostReader(str(root))


NMCLI = "answers/nmcli -g GENERAL.STATE,GENERAL.CON-UUID device show eth1"
INTERFACES = "# loopback\nauto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n"


def test_reads_a_host_with_networkmanager(tmp_path: Path) -> None:
    reader = record(tmp_path, {NMCLI: "100 (connected)\n27afa607-ee36-43f0-b8c3-9d245cdc4bb3\n"})
    assert read_found(reader, "eth1") == Found(
        nm_state="connected", nm_connection="27afa607-ee36-43f0-b8c3-9d245cdc4bb3"
    )


def test_reads_states_of_more_than_one_word(tmp_path: Path) -> None:
    reader = record(tmp_path, {NMCLI: "100 (connected (externally))\n\n"})
    assert read_found(reader, "eth1").nm_state == "connected (externally)"


def test_reads_a_host_with_netplan(tmp_path: Path) -> None:
    reader = record(
        tmp_path,
        {
            "usr/sbin/netplan": "",
            "etc/netplan/50-cloud-init.yaml": "network: {}",
            "etc/netplan/60-keydb-cluster.yaml": "ours",
            "answers/netplan get ethernets.eth1.renderer": "null",
            "answers/netplan get renderer": "NetworkManager",
            "answers/systemctl is-active systemd-networkd": "active",
        },
    )
    assert read_found(reader, "eth1") == Found(
        networkd_runs=True,
        netplan_installed=True,
        netplan_files=("/etc/netplan/50-cloud-init.yaml",),
        netplan_renderer="NetworkManager",
    )


def test_reads_a_host_with_ifupdown(tmp_path: Path) -> None:
    texts = {
        "usr/sbin/ifup": "",
        "etc/network/interfaces": INTERFACES,
        "etc/network/interfaces.d/keydb-cluster": "iface eth1 inet static\n",
    }
    assert read_found(record(tmp_path, texts), "eth1") == Found(ifupdown_installed=True, ifupdown_includes=True)


@pytest.mark.parametrize("path", ["interfaces", "interfaces.d/setup"])
def test_sees_that_the_interface_is_somebody_elses(tmp_path: Path, path: str) -> None:
    texts = {"etc/network/interfaces": INTERFACES}
    texts[f"etc/network/{path}"] = texts.get(f"etc/network/{path}", "") + "  iface eth1 inet dhcp\n"
    reader = record(tmp_path, texts)
    assert read_found(reader, "eth1").ifupdown_owner == f"/etc/network/{path}"
    assert read_found(reader, "eth10").ifupdown_owner == ""


OURS = "# Ansible managed\n# Interface eth1, address 10.77.0.11/24\nuuid=1-2-3\n"


def test_a_file_of_ours_says_what_it_configures() -> None:
    assert configured(OURS) == ("eth1", "10.77.0.11/24")
    assert configured("[Match]\nName=eth1\n") is None
    assert configured(None) is None


@pytest.mark.parametrize(
    ("manager", "found", "commands"),
    [
        (
            "networkmanager",
            Found(nm_connection="4-5-6"),
            ["nmcli connection reload", "nmcli --wait 15 connection up uuid 1-2-3 ifname eth1"],
        ),
        ("networkd", Found(), ["networkctl reload", "networkctl reconfigure eth1"]),
        ("netplan", Found(), ["netplan generate", "networkctl reload", "networkctl reconfigure eth1"]),
        ("ifupdown", Found(), ["ip -4 address flush dev eth1", "ifup eth1"]),
    ],
)
def test_what_a_manager_is_told(manager: str, found: Found, commands: list[str]) -> None:
    assert [" ".join(command) for command in entering(manager, OURS, ["eth1"], found)] == commands


def test_netplan_over_networkmanager() -> None:
    found = Found(netplan_renderer="NetworkManager")
    told = entering("netplan", OURS.replace("uuid=", ""), ["eth1"], found)
    assert told[1:] == [
        ["nmcli", "connection", "reload"],
        ["nmcli", "--wait", "15", "connection", "up", "netplan-eth1"],
    ]


@pytest.mark.parametrize(
    ("manager", "commands"),
    [
        ("networkmanager", ["nmcli connection reload", "nmcli --wait 15 connection up uuid 4-5-6"]),
        ("networkd", ["networkctl reload", "networkctl reconfigure eth1"]),
        ("ifupdown", []),
    ],
)
def test_without_our_file_the_one_before_takes_over(manager: str, commands: list[str]) -> None:
    found = Found(nm_connection="4-5-6")
    assert [" ".join(command) for command in returning(manager, None, ["eth1"], found)] == commands


def test_what_is_active_is_not_activated_twice() -> None:
    told = returning("networkmanager", OURS, ["eth1"], Found(nm_connection="1-2-3"))
    assert told == entering("networkmanager", OURS, ["eth1"], Found())


def test_ifupdown_takes_down_while_it_still_knows_the_interface() -> None:
    assert leaving("ifupdown", ["eth0", "eth1"]) == [["ifdown", "--force", "eth0"], ["ifdown", "--force", "eth1"]]
    assert leaving("networkd", ["eth1"]) == []


def test_every_manager_has_one_file_that_says_whose_it_is() -> None:
    assert all("keydb-cluster" in path for path, _ in FILES.values())
