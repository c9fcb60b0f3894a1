"""The cluster's time: who serves it, who follows, how far each clock may be off, and who may ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import on_node_time
import pytest
from nodes_cluster import Cluster, Node

testinfra_hosts = ["ansible://keydb_nodes"]

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = "/etc/chrony/keydb-cluster.conf"
# Far more than a network on one machine ever takes, under any load.
LARGEST_BOUND_S = 0.02
PLAY = """
- name: Apply the role alone
  hosts: "{{ target }}"
  become: true
  roles:
    - role: time_sync
"""


def servers_of(cluster: Cluster) -> list[Node]:
    names = cluster.variables.get("time_sync_servers") or list(cluster.nodes)[:1]
    return [cluster.nodes[name] for name in names]


def test_chronyd_runs_with_our_configuration_and_the_clock_is_left_alone_in_a_container(node: Node) -> None:
    found = node.ask(on_node_time.describe_chronyd)
    assert (found["state"], found["at_boot"]) == ("active", "enabled")
    assert found["command"][found["command"].index("-f") + 1] == CONFIG
    assert ("-x" in found["command"]) is found["container"]
    assert found["may_set_the_clock"] is not found["container"]
    assert ("rtcsync" in found["config"].split()) is not found["container"]


def test_no_other_daemon_sets_the_clock(node: Node) -> None:
    assert node.ask(on_node_time.clock_beside, other="systemd-timesyncd")


def test_one_clock_is_the_time_and_all_others_follow_it(cluster: Cluster, node: Node) -> None:
    first = servers_of(cluster)[0]
    identity, reference, stratum, *_, leap = node.ask(on_node_time.tracking)
    assert leap == "Normal"
    if node == first:
        assert (identity, stratum) == ("7F7F0101", "8")
    else:
        assert (reference, stratum) == (first.address, "9")


def test_the_error_bound_is_known_and_not_nothing_but_on_the_server(cluster: Cluster, node: Node) -> None:
    fields = node.ask(on_node_time.tracking)
    offset, delay, dispersion = float(fields[4]), float(fields[10]), float(fields[11])
    bound = abs(offset) + dispersion + delay / 2
    if node == servers_of(cluster)[0]:
        assert (delay, dispersion) == (0, 0)
    else:
        assert delay > 0
        assert dispersion > 0
        assert bound < LARGEST_BOUND_S
        # Nodes of a lab share one clock: it is off by nothing, and what chronyd takes it to be off is within the bound.
        assert abs(offset) < dispersion + delay


def test_servers_serve_on_the_cluster_network_only_and_followers_nobody(cluster: Cluster, node: Node) -> None:
    served = [f"{node.address}:123"] if node in servers_of(cluster) else []
    listeners = node.ask(on_node_time.udp_listeners)
    assert [each for each in listeners if not each.startswith(("127.0.0.1:323", "[::1]:323"))] == served
    assert "127.0.0.1:323" in listeners


def test_who_is_served(cluster: Cluster) -> None:
    server = servers_of(cluster)[0]
    other = cluster.next_to(server)

    def ask(address: str, source: str) -> str:
        answer: str = other.ask(on_node_time.ask_the_time, address=address, source=source)
        return answer

    assert ask(server.address, other.address) == "stratum 8"
    assert not ask(server.management_address, other.management_address).startswith("stratum")
    assert not other.ask(on_node_time.ask_the_time, address=other.address, source=other.address).startswith("stratum")


def apply(cluster: Cluster, directory: Path, target: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """The role alone, on one node."""
    play = directory / "play.yml"
    play.write_text(PLAY, encoding="utf-8")
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={cluster.inventory_dir}",
            f"--extra-vars={json.dumps({'target': target, **variables})}",
            str(play),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_a_wrong_line_is_refused_before_it_is_installed(cluster: Cluster, tmp_path: Path) -> None:
    node = list(cluster.nodes.values())[-1]
    before = node.ask(on_node_time.checksum, path=CONFIG), node.ask(on_node_time.describe_chronyd)
    done = apply(cluster, tmp_path, node.name, time_sync_extra_config=["no-such-directive 1"])
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{CONFIG} would not be valid" in said
    assert "Invalid directive at line" in said
    assert before == (node.ask(on_node_time.checksum, path=CONFIG), node.ask(on_node_time.describe_chronyd))


@pytest.fixture
def changed(cluster: Cluster, tmp_path: Path) -> Any:
    """A node with a further line in its configuration; afterwards as before."""
    node = list(cluster.nodes.values())[-1]
    line = "logchange 0.5"
    done = apply(cluster, tmp_path, node.name, time_sync_extra_config=[line])
    assert done.returncode == 0, done.stdout
    yield node, line
    done = apply(cluster, tmp_path, node.name)
    assert done.returncode == 0, done.stdout


def test_a_change_restarts_chronyd_and_waits_until_it_is_synchronised(
    cluster: Cluster, changed: tuple[Node, str], tmp_path: Path
) -> None:
    node, line = changed
    found = node.ask(on_node_time.describe_chronyd)
    assert line in found["config"].splitlines()
    assert node.ask(on_node_time.tracking)[-1] == "Normal"
    again = apply(cluster, tmp_path, node.name, time_sync_extra_config=[line])
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
