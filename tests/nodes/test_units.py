"""The units: which run on a host, as whom, and how little they may do."""

from __future__ import annotations

import on_node_services
import pytest
from nodes_cluster import OBSERVERS, Cluster, Node
from testinfra.host import Host

testinfra_hosts = ["ansible://keydb_nodes"]

EVERY_UNIT = ["keydb-server", "keydb-cluster-firewall", *OBSERVERS]
# What DynamicUser= gives; see systemd.exec(5).
DYNAMIC_UIDS = range(61184, 65520)


@pytest.fixture(scope="module")
def units(node: Node) -> dict[str, dict[str, object]]:
    described: dict[str, dict[str, object]] = node.ask(on_node_services.describe_units, units=EVERY_UNIT)
    return described


def test_exactly_the_units_of_the_hosts_groups_are_enabled_and_active(
    node: Node, units: dict[str, dict[str, object]]
) -> None:
    loaded = [name for name, unit in units.items() if unit["LoadState"] != "not-found"]
    assert sorted(loaded) == sorted(node.units)
    states = {name: (units[name]["UnitFileState"], units[name]["ActiveState"]) for name in loaded}
    assert states == dict.fromkeys(loaded, ("enabled", "active"))


def test_every_observer_has_its_host(cluster: Cluster) -> None:
    hosts = {unit: [node.name for node in cluster.with_observer(unit)] for unit in OBSERVERS}
    assert {unit: len(names) for unit, names in hosts.items()} == dict.fromkeys(OBSERVERS, 1)
    assert len({name for names in hosts.values() for name in names}) == len(OBSERVERS)


def test_exposure_is_at_most_2(node: Node, units: dict[str, dict[str, object]]) -> None:
    exposures = {name: units[name]["exposure"] for name in node.units}
    assert all(isinstance(exposure, float) for exposure in exposures.values()), exposures
    assert {name: exposure for name, exposure in exposures.items() if not 0 <= exposure <= 2.0} == {}


def test_each_service_runs_as_a_user_of_its_own_without_capabilities(
    host: Host, node: Node, units: dict[str, dict[str, object]]
) -> None:
    running = {name: units[name] for name in ["keydb-server", *node.observers]}
    uids = {name: unit["uid"] for name, unit in running.items()}
    assert uids["keydb-server"] == host.user("keydb").uid
    assert len(set(uids.values())) == len(uids)
    assert all(uids[name] in DYNAMIC_UIDS for name in node.observers), uids
    assert {name: unit["capabilities"] for name, unit in running.items()} == {name: ["0" * 16] for name in running}


def test_the_engine_tells_the_service_manager_when_it_is_ready(
    cluster: Cluster, node: Node, units: dict[str, dict[str, object]]
) -> None:
    unit = units["keydb-server"]
    program = str(unit["program"])
    # valkey-server of Debian is a link to the program that checks data files as well.
    assert program.rsplit("/", 1)[-1].startswith(cluster.engine_name)
    can_tell = node.ask(on_node_services.links_libsystemd, program=program)
    assert unit["Type"] == ("notify" if can_tell else "exec")
    if not cluster.engine.is_mesh:
        assert can_tell, "Debian builds its engines with systemd's library"


def test_the_distributions_own_units_are_masked(cluster: Cluster, node: Node) -> None:
    names = [name.removesuffix(".service") for name in cluster.engine.masked]
    found = node.ask(on_node_services.describe_units, units=names)
    assert {name: (unit["LoadState"], unit["ActiveState"]) for name, unit in found.items()} == dict.fromkeys(
        names, ("masked", "inactive")
    )
