"""Upstream's open reports that concern a mesh: whether they happen with this engine, and what keeps them away.

227 and 312 (append-only file with multi-master), 849 and 479 (a bystander dies) are in test_keydb_join.py.
"""

from __future__ import annotations

import signal
import ssl
from pathlib import Path
from socket import create_connection

import pytest
import redis
from roles_joining import MakeMesh, Mesh
from roles_render import NODES
from roles_servers import eventually, has_keydb

pytestmark = pytest.mark.skipif(not has_keydb(), reason="no archive of KeyDB")

BUFFER_OVERRUN = "exceeding output buffer hard limit"


@pytest.mark.parametrize(("limit_mb", "is_cut_off"), [(1, True), (64, False)])
def test_299_a_peer_that_does_not_read_fast_enough(make_mesh: MakeMesh, limit_mb: int, is_cut_off: bool) -> None:
    """It happens where the buffer is small: the server sends from its backlog, which grows no further than that."""
    mesh = make_mesh(keydb_repl_backlog_mb=1, keydb_replica_output_buffer_mb=limit_mb)
    copies = mesh.log("node3").count("Full resync from master")

    mesh.processes["node3"].send_signal(signal.SIGSTOP)
    with mesh.client("node1").pipeline(transaction=False) as pipeline:
        for number in range(2_000):
            pipeline.set(f"storm:{number}", "x" * 10_000)
        pipeline.execute()
    eventually(lambda: mesh.client("node2").get("storm:1999"), "the other peer has it all")
    mesh.processes["node3"].send_signal(signal.SIGCONT)
    mesh.wait_until_ready()
    eventually(lambda: mesh.client("node3").get("storm:1999"), "the peer has it all")

    assert (BUFFER_OVERRUN in mesh.log("node1")) is is_cut_off
    assert (mesh.log("node3").count("Full resync from master") > copies) is is_cut_off
    assert mesh.values("node3") == mesh.values("node1")


@pytest.mark.parametrize("read_only", [False, True])
def test_838_nodes_that_take_no_writes(make_mesh: MakeMesh, read_only: bool) -> None:
    """It happens where replica-read-only comes after active-replica, which had turned it off."""
    extra = {"hz": 20, "repl-diskless-sync-delay": [0]} | ({"replica-read-only": "yes"} if read_only else {})
    mesh = make_mesh(keydb_extra_config=extra)

    for name in NODES:
        if read_only:
            with pytest.raises(redis.ReadOnlyError):
                mesh.client(name).set("storm:k", name)
        else:
            assert mesh.client(name).set("storm:k", name)


def test_671_whole_copies_over_tls_with_two_threads(make_mesh: MakeMesh) -> None:
    """It did not happen: the connection of a copy was taken over by the thread that it belongs to, each time."""
    mesh = make_mesh(keydb_server_threads=2)

    for _ in range(3):
        for name in NODES:
            mesh.kill(name)
            mesh.bring_up(name)
            mesh.wait_until_ready()

    assert not [name for name in NODES if "ASSERTION FAILED" in mesh.log(name)]


def test_what_is_sent_behind_a_wait_is_answered_only_after_more_is_sent(make_mesh: MakeMesh) -> None:
    """Not reported upstream. Who asks for durability by WAIT must await its answer before anything else is sent."""
    mesh = make_mesh()
    with talking_to(mesh, "node1") as connection:
        connection.sendall(b"SET storm:k 1\r\nWAIT 1 1000\r\nPING\r\n")
        # By whichever of the two peers had confirmed it.
        assert said(connection) in (b"+OK\r\n:1\r\n", b"+OK\r\n:2\r\n")

        connection.sendall(b"PING\r\n")

        assert said(connection) == b"+PONG\r\n+PONG\r\n"


def said(connection: ssl.SSLSocket) -> bytes:
    """All that comes until there is silence for two seconds."""
    connection.settimeout(2)
    received = b""
    while True:
        try:
            received += connection.recv(4096)
        except TimeoutError:
            return received


@pytest.mark.parametrize("is_guarded", [False, True])
def test_the_first_failure_to_follow_a_peer_closes_descriptor_0(make_mesh: MakeMesh, is_guarded: bool) -> None:
    """Not reported upstream. What gets that number later is closed by the next peer's first failure."""
    mesh = make_mesh(joins=False)
    for name in NODES:
        mesh.kill(name)

    mesh.is_guarded = is_guarded
    mesh.start("node1")

    descriptor = Path(f"/proc/{mesh.processes['node1'].pid}/fd/0")
    failures = "Error condition on socket for SYNC"
    eventually(lambda: mesh.log("node1").count(failures) >= len(NODES) + 1, "it has tried each of them and again")
    assert (descriptor.is_symlink() and str(descriptor.readlink()) == "/dev/null") is is_guarded


def talking_to(mesh: Mesh, name: str) -> ssl.SSLSocket:
    """A connection without a library, by which several commands go out at once."""
    way = mesh.connection(name, "storm")
    context = ssl.create_default_context(cafile=way["ca"])
    context.load_cert_chain(way["certificate"], way["key"])
    plain = create_connection((way["address"], way["port"]), timeout=5)
    connection = context.wrap_socket(plain, server_hostname=way["address"])
    connection.sendall(f"AUTH {way['username']} {way['password']}\r\n".encode())
    assert connection.recv(4096) == b"+OK\r\n"
    return connection
