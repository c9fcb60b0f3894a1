"""A node that comes back takes everything from its peers: nothing deleted returns, nothing confirmed is lost."""

from __future__ import annotations

import json
import os
import signal
import statistics
from collections.abc import Callable

import pytest
from roles_joining import Found, Load, MakeMesh, Mesh, break_it
from roles_render import NODES
from roles_servers import eventually, has_keydb, settle

pytestmark = pytest.mark.skipif(not has_keydb(), reason="no archive of KeyDB")

FAULTS = int(os.environ.get("SOAK_FAULTS", "6"))
# The role's variables as JSON, to try others than its defaults; and "joins".
SETTINGS = json.loads(os.environ.get("SOAK_SETTINGS", "{}"))


def deleted_meanwhile(mesh: Mesh, end: Callable[[str], None]) -> None:
    """A key of node3's is deleted by node1, and node3 goes away and comes back."""
    mesh.client("node3").set("storm:k", "1")
    eventually(lambda: mesh.client("node1").get("storm:k"), "the write is everywhere")
    mesh.client("node1").delete("storm:k")
    eventually(lambda: mesh.client("node3").get("storm:k") is None, "the deletion is everywhere")
    eventually(lambda: b"storm:k" in mesh.append_only_file("node3"), "the write is in the file")
    end("node3")
    mesh.bring_up("node3")
    mesh.wait_until_ready()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_was_deleted_stays_deleted(make_mesh: MakeMesh, how: str) -> None:
    mesh = make_mesh()

    deleted_meanwhile(mesh, getattr(mesh, how))

    assert [mesh.client(name).get("storm:k") for name in NODES] == [None] * 3


def test_without_it_the_append_only_file_brings_the_deleted_back(make_mesh: MakeMesh) -> None:
    """Upstream's reports 227 and 312: the file has none of the changes that came from other nodes."""
    mesh = make_mesh(joins=False)
    # Of what comes while a file is written anew, as after each whole copy, the old file has nothing.
    eventually(lambda: not any(mesh.writes_its_file_anew(name) for name in NODES), "every file is written")

    deleted_meanwhile(mesh, mesh.kill)

    eventually(lambda: [mesh.client(name).get("storm:k") for name in NODES] == ["1"] * 3, "the deleted key is back")


def test_a_node_joins_while_one_of_its_peers_hangs(make_mesh: MakeMesh) -> None:
    """A server connects to one peer after the other, and waits for one that hangs until it gives up."""
    mesh = make_mesh(keydb_repl_timeout=4)
    mesh.client("node1").set("storm:k", "1")
    eventually(lambda: mesh.client("node3").get("storm:k"), "the write is everywhere")
    mesh.processes["node3"].send_signal(signal.SIGSTOP)
    mesh.kill("node1")
    mesh.client("node2").delete("storm:k")

    mesh.bring_up("node1")
    mesh.client("node1").set("storm:l", "1")

    assert mesh.client("node1").get("storm:k") is None
    eventually(lambda: mesh.client("node2").get("storm:l"), "both go on without the one that hangs")
    mesh.processes["node3"].send_signal(signal.SIGCONT)
    mesh.wait_until_ready()
    eventually(lambda: [mesh.values(name) for name in NODES] == [{"storm:l": "1"}] * 3, "the nodes are equal")


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_confirmed_is_lost_and_nothing_deleted_returns(make_mesh: MakeMesh, threads: int) -> None:
    """Nor does a bystander die (upstream's reports 849 and 479): the mesh is never ready again then."""
    mesh = make_mesh(**{"keydb_server_threads": threads, **SETTINGS})

    with Load(mesh) as load:
        took_s = break_it(mesh, load, FAULTS, seed=FAULTS)
    # What was written last may still be on its way.
    settle(lambda: not Found.of(mesh, load).differing)
    found = Found.of(mesh, load)

    print(f"{FAULTS} faults, {load.confirmed} confirmed writes, {len(load.durable)} keys: {found}")
    print(f"{len(load.cut_off)} keys were cut off")
    print(f"all links up after {statistics.median(took_s):.1f} s (median), {max(took_s):.1f} s at the most")
    assert load.confirmed > 100 * FAULTS
    assert found == Found()
