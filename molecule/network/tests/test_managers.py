"""The role on a host of each network manager: what it configures, and what becomes of a change that cuts SSH."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from network_lab import Lab

FILES = {
    "node1": "/etc/NetworkManager/system-connections/keydb-cluster.nmconnection",
    "node2": "/etc/netplan/60-keydb-cluster.yaml",
    "node3": "/etc/systemd/network/05-keydb-cluster.network",
    "node4": "/etc/network/interfaces.d/keydb-cluster",
}
MODES = {"node1": "600", "node2": "600", "node3": "644", "node4": "644"}
ADDRESSES = {f"node{number}": f"10.109.0.{10 + number}" for number in range(1, 5)}
MANAGEMENT = {f"node{number}": f"10.108.0.{10 + number}" for number in range(1, 5)}
UNDONE_WITHIN_S = 60
UNDO_AFTER_S = 40


def unchanged(output: str) -> dict[str, bool]:
    """Host to whether its line of Ansible's recap says that nothing changed or failed."""
    recap = re.findall(r"^(node\d) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", output, re.MULTILINE)
    return {host: set(counts) == {"0"} for host, *counts in recap}


def snapshot(lab: Lab, node: str) -> tuple[str, ...]:
    """Addresses, MTUs and routes of a node, and our file."""
    return (
        lab.on(node, 'ip -4 -o address show | grep -o "inet [0-9./]* .*scope" | sort'),
        lab.on(node, 'ip -o link | cut -d: -f2,3 | grep -o "eth.*mtu [0-9]*"'),
        lab.on(node, "ip -4 route show | sort"),
        lab.on(node, f"cat {FILES[node]}"),
    )


class Doors:
    """Which nodes answered at SSH's port, and when they did not: seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.shut: dict[str, list[float]] = {node: [] for node in MANAGEMENT}
        self.open: dict[str, float] = {}

    def knock(self, node: str) -> None:
        """Try once, and wait as long as an answer on a local network may take."""
        try:
            with socket.create_connection((MANAGEMENT[node], 22), timeout=1):
                self.open[node] = time.monotonic()
        except OSError:
            self.shut[node].append(time.monotonic())

    def cut_off_for(self, node: str) -> float:
        """Seconds from the last answer before the cut to the first one after it, at most."""
        return self.shut[node][-1] - self.shut[node][0] + 2


@contextmanager
def watched() -> Iterator[Doors]:
    """Knock at every node's door while something happens."""
    doors, over = Doors(), threading.Event()

    def watch(node: str) -> None:
        while not over.wait(0.5):
            doors.knock(node)

    watchers = [threading.Thread(target=watch, args=(node,)) for node in MANAGEMENT]
    for watcher in watchers:
        watcher.start()
    try:
        yield doors
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()


@pytest.mark.parametrize("node", FILES)
def test_one_file_of_the_manager_that_the_host_uses(lab: Lab, node: str) -> None:
    every = " ".join(FILES.values())
    assert lab.on(node, f'stat -c "%n %a %U" {every} 2>/dev/null || true') == f"{FILES[node]} {MODES[node]} root"


@pytest.mark.parametrize("node", FILES)
def test_the_interface_has_address_and_mtu_and_no_route_elsewhere(lab: Lab, node: str) -> None:
    told = lab.on(node, "ip -4 address show dev eth1")
    assert re.findall(r"inet (\S+)", told) == [f"{ADDRESSES[node]}/24"]
    assert " mtu 1400 " in told
    assert lab.on(node, "ip route show default dev eth1") == ""
    assert lab.on(node, "ip -6 address show dev eth1 scope global") == ""


def test_the_manager_itself_says_that_it_configures_the_interface(lab: Lab) -> None:
    assert lab.on("node1", "nmcli -g GENERAL.CONNECTION device show eth1") == "keydb-cluster"
    assert "netplan-eth1" in lab.on("node2", "networkctl status eth1")
    assert FILES["node3"] in lab.on("node3", "networkctl status eth1")
    assert lab.on("node4", "ifquery --state eth1") == "eth1=eth1"


@pytest.mark.parametrize("node", FILES)
def test_peers_have_names_on_the_cluster_network_and_reach_each_other(lab: Lab, node: str) -> None:
    for peer, address in ADDRESSES.items():
        assert lab.on(node, f"getent hosts {peer}.cluster").split() == [address, f"{peer}.cluster"]
        assert lab.on(node, f"getent hosts {peer} || true").split()[:1] != [address]
        lab.on(node, f"ping -c 1 -W 2 {peer}.cluster")


@pytest.mark.parametrize("node", FILES)
def test_nothing_of_the_way_back_is_left(lab: Lab, node: str) -> None:
    assert lab.on(node, "ls -d /var/lib/keydb-cluster-network /usr/local/libexec/keydb-* 2>/dev/null || true") == ""
    assert lab.on(node, "systemctl list-units --all --plain --no-legend keydb-cluster-network*") == ""
    assert lab.on(node, "systemctl list-unit-files --no-legend keydb-cluster-network* || true") == ""


def test_an_address_that_somebody_took_away_comes_back(lab: Lab) -> None:
    for node in FILES:
        lab.on(node, "ip -4 address flush dev eth1")
    code, output = lab.play("converge.yml")
    assert code == 0, output
    for node in FILES:
        assert f"inet {ADDRESSES[node]}/24" in lab.on(node, "ip -4 address show dev eth1")
    code, output = lab.play("converge.yml")
    assert (code, unchanged(output)) == (0, dict.fromkeys(FILES, True)), output


def test_the_interface_of_ssh_is_left_alone_unless_told_twice(lab: Lab) -> None:
    before = {node: snapshot(lab, node) for node in FILES}
    code, output = lab.play("cut_off.yml", "--extra-vars", "confirmed=")
    assert code != 0
    refusals = re.findall(r"eth0 carries the connection that Ansible came in by: it is left alone", output)
    assert len(refusals) >= len(FILES), output
    assert {node: snapshot(lab, node) for node in FILES} == before


def test_a_change_that_cuts_a_host_off_is_taken_back(lab: Lab) -> None:
    before = {node: snapshot(lab, node) for node in FILES}
    with watched() as doors:
        code, output = lab.play("cut_off.yml")
    assert code != 0
    assert output.count("The host has taken the change back: SSH did not come in again") >= len(FILES), output
    for node in FILES:
        assert len(doors.shut[node]) > UNDO_AFTER_S / 4, f"{node} was not cut off"
        assert doors.cut_off_for(node) < UNDONE_WITHIN_S
        print(f"{node} was cut off for {doors.cut_off_for(node):.0f} s at most")
    assert {node: snapshot(lab, node) for node in FILES} == before
    code, output = lab.play("converge.yml")
    assert (code, unchanged(output)) == (0, dict.fromkeys(FILES, True)), output


def test_it_is_taken_back_without_a_controller_too(lab: Lab) -> None:
    before = {node: snapshot(lab, node) for node in FILES}
    with watched() as doors:
        controller = lab.started("cut_off.yml")
        until = time.monotonic() + 60
        while not all(doors.shut.values()) and time.monotonic() < until:
            time.sleep(0.2)
        # With its workers, one for each host, which would go on without it.
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
        assert all(doors.shut.values()), "not every host was cut off"
        while time.monotonic() < max(first[0] for first in doors.shut.values()) + UNDONE_WITHIN_S:
            time.sleep(0.5)
            if all(doors.open[node] > doors.shut[node][-1] + 3 for node in FILES):
                break
    for node in FILES:
        assert doors.open[node] > doors.shut[node][-1]
        assert doors.cut_off_for(node) < UNDONE_WITHIN_S
    # The way back goes on for a few seconds after the host can be reached again.
    assert all("undone.json" in _settled(lab, node) for node in FILES)
    assert {node: snapshot(lab, node) for node in FILES} == before


def _settled(lab: Lab, node: str) -> str:
    until = time.monotonic() + 30
    while (told := lab.on(node, "ls /var/lib/keydb-cluster-network")) and "undone.json" not in told:
        if time.monotonic() > until:
            break
        time.sleep(1)
    return told


def test_removal_leaves_the_interface_to_others(lab: Lab) -> None:
    code, output = lab.play("remove.yml")
    assert code == 0, output
    for node in FILES:
        every = " ".join(FILES.values())
        assert lab.on(node, f"ls {every} 2>/dev/null || true") == ""
        assert lab.on(node, "ip -4 -o address show dev eth1") == ""
        assert "cluster" not in lab.on(node, "cat /etc/hosts")
    code, output = lab.play("remove.yml")
    assert (code, unchanged(output)) == (0, dict.fromkeys(FILES, True)), output
    code, output = lab.play("converge.yml")
    assert code == 0, output
