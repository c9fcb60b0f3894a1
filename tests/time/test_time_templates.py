"""What chronyd is told on a server, on a second one, and on those that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from time_render import Rendered, render

Nodes = dict[str, Rendered]
UPSTREAM = ["ntp.example.com", "192.0.2.1"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Nothing but addresses given."""
    return render(tmp_path_factory.mktemp("plain"), {})


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Three servers in an order of their own, with sources of their own."""
    variables = {
        "time_sync_servers": ["pc1", "pi1", "pc2"],
        "time_sync_upstream": UPSTREAM,
        "time_sync_minpoll": -2,
        "time_sync_maxpoll": 1,
        "time_sync_extra_config": ["logchange 0.01", "log tracking"],
    }
    return render(tmp_path_factory.mktemp("several"), variables, hardware=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Two servers without internet."""
    return render(tmp_path_factory.mktemp("alone"), {"time_sync_servers": ["pc1", "pc2"], "time_sync_upstream": []})


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    return render(tmp_path_factory.mktemp("container"), {}, virtualization="podman")


def test_the_first_node_serves_by_default(plain: Nodes) -> None:
    server = plain["pi1"]
    assert server.of("bindaddress", "allow", "local", "port", "server") == [
        "bindaddress 10.77.0.11",
        "allow 10.77.0.0/24",
        "local stratum 8 distance 0.000001",
    ]
    assert server.of("pool", "maxslewrate") == ["pool 2.debian.pool.ntp.org iburst", "maxslewrate 20"]


def test_the_others_follow_it_and_nobody_else(plain: Nodes) -> None:
    for name in ("pi2", "pc1", "pc2"):
        follower = plain[name]
        assert follower.of("server", "pool", "peer", "sourcedir", "confdir", "include") == [
            "server 10.77.0.11 iburst xleave minpoll 0 maxpoll 0 prefer"
        ]
        # Without "local" it is never its own reference: alone, its error bound grows.
        assert follower.of("local", "allow", "bindaddress", "maxslewrate") == []
        assert follower.of("port") == ["port 0"]
        assert follower.of("maxclockerror") == ["maxclockerror 21"]


@pytest.mark.parametrize("name", ["pi1", "pi2"])
def test_the_clock_is_set_at_the_start_only(plain: Nodes, name: str) -> None:
    assert plain[name].of("makestep", "rtcsync", "hwtimestamp") == ["makestep 0.001 3", "rtcsync"]


def test_only_one_server_is_its_own_reference_while_it_is_there(several: Nodes) -> None:
    assert {name: several[name].of("local") for name in several} == {
        "pc1": ["local stratum 8 distance 0.000001"],
        "pi1": ["local stratum 9 distance 0.005"],
        "pc2": ["local stratum 10 distance 0.005"],
        "pi2": [],
    }


def test_a_server_follows_those_before_it_and_the_others_all(several: Nodes) -> None:
    servers = {name: [line.split()[1] for line in several[name].of("server")] for name in several}
    assert servers == {
        "pc1": [],
        "pi1": ["10.77.0.13"],
        "pc2": ["10.77.0.13", "10.77.0.11"],
        "pi2": ["10.77.0.13", "10.77.0.11", "10.77.0.14"],
    }
    assert several["pi2"].of("server")[:2] == [
        "server 10.77.0.13 iburst xleave minpoll -2 maxpoll 1 prefer",
        "server 10.77.0.11 iburst xleave minpoll -2 maxpoll 1",
    ]
    assert several["pc2"].of("server")[0].endswith(" prefer trust")
    assert {name: bool(several[name].of("combinelimit")) for name in several} == {
        "pc1": False,
        "pi1": True,
        "pc2": True,
        "pi2": True,
    }


def test_every_server_and_only_a_server_asks_the_sources(several: Nodes) -> None:
    asked = ["pool ntp.example.com iburst", "pool 192.0.2.1 iburst"]
    assert {name: several[name].of("pool") for name in several} == {"pc1": asked, "pi1": asked, "pc2": asked, "pi2": []}


def test_the_bound_of_a_follower_counts_what_its_server_corrects(several: Nodes, alone: Nodes) -> None:
    assert [several[name].of("maxclockerror") for name in ("pc1", "pi1", "pi2")] == [
        [],
        ["maxclockerror 21"],
        ["maxclockerror 21"],
    ]
    assert [alone[name].of("maxclockerror", "maxslewrate", "pool") for name in alone] == [[], [], [], []]


def test_hardware_timestamps_where_they_can_be_had(several: Nodes) -> None:
    assert [several[name].of("hwtimestamp") for name in several] == [["hwtimestamp eth-1"]] * 4


def test_an_interface_that_is_yet_to_get_its_address_is_known_by_its_name(tmp_path: Path) -> None:
    """The facts are of before the role cluster_network; without a name there is nothing to go by, and no failure."""
    for given, lines in (({"cluster_network_interface": "eth-1"}, ["hwtimestamp eth-1"]), ({}, [])):
        nodes = render(tmp_path, given, hardware=True, has_address=False)
        assert [node.of("hwtimestamp") for node in nodes.values()] == [lines] * len(nodes)


def test_further_lines_are_the_last(several: Nodes) -> None:
    assert several["pi2"].directives[-2:] == ["logchange 0.01", "log tracking"]


def test_the_time_of_day_comes_before_the_service_on_the_first_server(several: Nodes, alone: Nodes) -> None:
    line = (
        "ExecStartPre=-!/usr/sbin/chronyd -q -t 15 'pool ntp.example.com iburst' 'pool 192.0.2.1 iburst' "
        "'makestep 0.001 1'"
    )
    assert {name for name in several if line in several[name].drop_in.splitlines()} == {"pc1"}
    assert all("chronyd -q" not in each.drop_in for each in alone.values())


def test_only_our_configuration_is_read(plain: Nodes) -> None:
    for node in plain.values():
        lines = node.drop_in.splitlines()
        assert lines[lines.index("EnvironmentFile=") + 1] == (
            'Environment="DAEMON_OPTS=-F 1 -f /etc/chrony/keydb-cluster.conf"'
        )
        assert "ConditionCapability=" not in lines


def test_in_a_container_the_clock_is_only_measured(container: Nodes) -> None:
    for node in container.values():
        lines = node.drop_in.splitlines()
        assert 'Environment="DAEMON_OPTS=-F 1 -f /etc/chrony/keydb-cluster.conf -x"' in lines
        assert lines.index("[Unit]") < lines.index("ConditionCapability=") < lines.index("[Service]")
        assert node.of("pool", "rtcsync", "maxclockerror") == []
        assert "chronyd -q" not in node.drop_in
