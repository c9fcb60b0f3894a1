"""The hosts themselves: what the lab promises to the roles."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ansible://keydb_nodes"]


def test_systemd_has_booted_without_a_failed_unit(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_user_is_not_root_and_may_become_root(host: Host) -> None:
    assert host.check_output("id --user --name") == "lab"
    with host.sudo():
        assert host.check_output("id --user") == "0"


def test_both_networks_have_their_interface(host: Host) -> None:
    variables = host.ansible.get_variables()
    assert variables["ansible_host"] in host.interface("eth0").addresses
    assert variables["cluster_network_address"] in host.interface("eth1").addresses


def test_only_the_management_network_leads_outside(host: Host) -> None:
    routes = host.check_output("ip -4 route show default").splitlines()
    assert len(routes) == 1
    assert " dev eth0 " in f"{routes[0]} "


def test_the_cluster_interface_is_shaped_to_a_gigabit(host: Host) -> None:
    assert "qdisc tbf" in (shaping := host.check_output("/usr/sbin/tc qdisc show dev eth1"))
    assert "rate 1Gbit" in shaping


def test_every_other_node_answers_on_the_cluster_network(host: Host) -> None:
    own = host.ansible.get_variables()
    for name in own["groups"]["keydb_nodes"]:
        address = host.backend.ansible_runner.get_variables(name)["cluster_network_address"]
        # As root, for not everybody may ping in every release.
        with host.sudo():
            assert host.run(f"ping -c 1 -W 2 -I eth1 {address}").rc == 0, f"{name} at {address}"
