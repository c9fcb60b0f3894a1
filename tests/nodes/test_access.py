"""Who gets in, and what each user may do. Nobody's own service has ever been refused."""

from __future__ import annotations

import on_node_engine
import pytest
from nodes_cluster import Cluster, Node

testinfra_hosts = ["ansible://keydb_nodes"]

SHARED, EVENTS = "shared_key", "__keyspace@0__:"

ALLOWED = {
    "writer": [
        ["HELLO", "3"],
        ["GET", SHARED],
        ["MGET", "handshake:nowhere:sync", "handshake:nowhere:async:load:0"],
        ["PSUBSCRIBE", EVENTS + "handshake:*"],
    ],
    "listener_sync": [
        ["HELLO", "3"],
        ["MGET", SHARED, "handshake:nowhere:sync", "observer:nowhere:sync"],
        ["SUBSCRIBE", EVENTS + SHARED],
    ],
    "listener_async": [
        ["HELLO", "3"],
        ["MGET", SHARED, "handshake:nowhere:async", "observer:nowhere:async"],
        ["SUBSCRIBE", EVENTS + SHARED],
    ],
    "load": [
        ["HELLO", "3"],
        ["INFO"],
        ["MGET", "load:nothing", "handshake:nowhere:async:load:nothing", "observer:nowhere:async"],
        ["SUBSCRIBE", EVENTS + "load:nothing"],
        ["PSUBSCRIBE", EVENTS + "load:*"],
    ],
    "storm": [
        ["HELLO", "3"],
        ["INFO"],
        ["GET", "storm:nothing"],
        ["TYPE", "storm:nothing"],
        ["PTTL", "storm:nothing"],
        ["SCAN", "0", "MATCH", "storm:*"],
    ],
    "health": [["PING"], ["INFO"], ["GET", SHARED], ["GET", "handshake:nowhere:sync"], ["GET", "observer:x:sync"]],
    "operator": [["GET", "anything"], ["CONFIG", "GET", "maxmemory"], ["ACL", "WHOAMI"], ["SCAN", "0"]],
    "verify": [["GET", "verify:nothing"], ["SUBSCRIBE", EVENTS + "verify:nothing"]],
    "replication": [["PING"], ["REPLCONF", "listening-port", "1"]],
    "audit": [["PING"], ["SCAN", "0"], ["DBSIZE"], ["TYPE", "anything"], ["GETRANGE", SHARED, "0", "9"], ["DUMP", "x"]],
    "exporter": [["INFO", "all"], ["LATENCY", "LATEST"], ["SLOWLOG", "LEN"], ["SLOWLOG", "GET", "1"]],
    "repair": [["INFO"], ["TIME"], ["SCAN", "0"], ["WATCH", "x"], ["UNWATCH"], ["MULTI"], ["DEL", "nobodys_key"]],
}
# Of these users only where all nodes take writes.
MESH_ONLY = ("repair",)

# Were one let through, none would do lasting harm to a cluster under test.
EVERYBODYS = [
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["KEYS", "*"],
    ["CONFIG", "SET", "maxmemory-policy", "noeviction"],
    ["ACL", "SETUSER", "intruder", "on", "nopass", "~*", "+@all"],
    ["ACL", "LIST"],
    ["DEBUG", "SLEEP", "0"],
    ["EVAL", "return 1", "0"],
    ["SCRIPT", "LOAD", "return 1"],
    ["CLIENT", "KILL", "ID", "0"],
    ["MONITOR"],
    ["SET", "nobodys_key", "x"],
    ["DEL", SHARED],
]

FORBIDDEN = {
    "writer": [
        ["GET", "verify:x"],
        ["SET", "verify:x", "x"],
        ["SUBSCRIBE", EVENTS + SHARED],
        ["PSUBSCRIBE", "*"],
        ["PUBLISH", EVENTS + "handshake:x:sync", "x"],
        ["CONFIG", "GET", "masterauth"],
        ["INFO"],
    ],
    "listener_sync": [
        ["SET", "handshake:x:async", "x"],
        ["GET", "handshake:x:async"],
        ["SET", "observer:x:async", "x"],
        ["MSET", "handshake:x:sync", "x", "verify:x", "x"],
        ["SUBSCRIBE", EVENTS + "handshake:x:async"],
        ["PSUBSCRIBE", EVENTS + "*"],
        ["PUBLISH", EVENTS + SHARED, "x"],
        ["CONFIG", "GET", "masterauth"],
    ],
    "listener_async": [
        ["SET", "handshake:x:sync", "x"],
        ["GET", "handshake:x:sync"],
        ["SET", "observer:x:sync", "x"],
        ["MSET", "handshake:x:async", "x", "verify:x", "x"],
        ["SUBSCRIBE", EVENTS + "handshake:x:sync"],
        ["PSUBSCRIBE", EVENTS + "*"],
        ["PUBLISH", EVENTS + SHARED, "x"],
        ["CONFIG", "GET", "masterauth"],
    ],
    "load": [
        ["GET", SHARED],
        ["SET", SHARED, "x"],
        ["SET", "handshake:x:sync", "x"],
        ["MSET", "load:x", "x", "verify:x", "x"],
        ["SUBSCRIBE", EVENTS + SHARED],
        ["PSUBSCRIBE", EVENTS + "*"],
        ["PUBLISH", EVENTS + "load:x", "x"],
        ["CONFIG", "GET", "masterauth"],
    ],
    "storm": [
        ["GET", SHARED],
        ["SET", SHARED, "x"],
        ["SET", "load:x", "x"],
        ["UNLINK", SHARED],
        ["RENAME", "storm:x", "verify:x"],
        ["SUBSCRIBE", EVENTS + "storm:x"],
        ["PUBLISH", EVENTS + "storm:x", "x"],
        ["CONFIG", "GET", "masterauth"],
    ],
    "health": [
        ["SET", SHARED, "x"],
        ["SET", "observer:x:sync", "x"],
        ["SET", "handshake:x:sync", "x"],
        ["GET", "verify:x"],
        ["SUBSCRIBE", EVENTS + SHARED],
        ["CONFIG", "GET", "masterauth"],
        ["CLIENT", "LIST"],
    ],
    "operator": [
        ["SET", "verify:x", "x"],
        ["SET", SHARED, "x"],
        ["REPLICAOF", "NO", "ONE"],
        ["PUBLISH", EVENTS + SHARED, "x"],
        ["ACL", "GETUSER", "writer"],
        ["PSYNC", "?", "-1"],
    ],
    "verify": [
        ["SET", SHARED, "x"],
        ["GET", SHARED],
        ["SUBSCRIBE", EVENTS + SHARED],
        ["PSUBSCRIBE", "*"],
        ["INFO"],
        ["CONFIG", "GET", "masterauth"],
    ],
    "replication": [["GET", SHARED], ["SET", SHARED, "x"], ["INFO"], ["DUMP", SHARED], ["SUBSCRIBE", EVENTS + SHARED]],
    "audit": [
        ["GET", SHARED],
        ["SET", "x", "x"],
        ["RESTORE", "nobodys_key", "0", "x"],
        ["PEXPIRE", "nobodys_key", "1"],
        ["SUBSCRIBE", EVENTS + SHARED],
        ["CONFIG", "GET", "masterauth"],
        ["INFO"],
    ],
    "exporter": [["GET", SHARED], ["CONFIG", "GET", "masterauth"], ["SLOWLOG", "RESET"], ["LATENCY", "RESET"]],
    "repair": [["SUBSCRIBE", EVENTS + SHARED], ["CONFIG", "GET", "masterauth"], ["PUBLISH", "x", "x"], ["GET", "x"]],
}


def test_the_services_were_refused_nothing(cluster: Cluster, node: Node) -> None:
    """Of the user verify the log may tell, for verify.yml tries what must be refused."""
    refusals = node.ask(
        on_node_engine.refusals, address=node.address, port=cluster.port, password=cluster.passwords["operator"]
    )
    of_services = [each for each in refusals if each["username"] != "verify"]
    assert not of_services, f"{of_services}"


def test_tls_from_1_2_on_with_a_certificate_of_ours(cluster: Cluster, node: Node) -> None:
    outcomes = node.ask(on_node_engine.tls_outcomes, address=node.address, port=cluster.port)
    assert outcomes["any"] == "TLSv1.3"
    assert outcomes["TLSv1_2"] == "TLSv1.2"
    assert outcomes["TLSv1_3"] == "TLSv1.3"
    # The server's own words: the client offered it.
    assert "alert protocol version" in outcomes["TLSv1_1"]
    assert "alert certificate required" in outcomes["no certificate"]
    assert "alert unknown ca" in outcomes["foreign certificate"]
    assert outcomes["plaintext"] == "(closed)" or outcomes["plaintext"].startswith("ConnectionResetError")


def test_each_user_may_do_what_it_is_for(cluster: Cluster, node: Node) -> None:
    allowed = {user: commands for user, commands in ALLOWED.items() if cluster.engine.is_mesh or user not in MESH_ONLY}
    if cluster.engine.is_mesh:
        allowed["replication"] = [*allowed["replication"], ["INFO"], ["EXISTS", SHARED]]
    attempts = [[user, command] for user, commands in allowed.items() for command in commands]
    if cluster.is_writable(node):
        # A read-only replica has nothing to wait for, and says so.
        attempts.append(["load", ["WAIT", "0", "1"]])
    answers = node.ask(
        on_node_engine.answers, address=node.address, port=cluster.port, passwords=cluster.passwords, attempts=attempts
    )
    told = [f"{user} {' '.join(command)}: {answer}" for (user, command), answer in zip(attempts, answers, strict=True)]
    assert len(told) == len(attempts) >= sum(map(len, allowed.values()))
    assert [each for each, answer in zip(told, answers, strict=True) if answer[0] not in "+$*%:>"] == []


@pytest.mark.parametrize("user", FORBIDDEN)
def test_each_user_is_refused_everything_else(cluster: Cluster, node: Node, user: str) -> None:
    if user in MESH_ONLY and not cluster.engine.is_mesh:
        pytest.skip(f"{cluster.engine.title} has no user {user}")
    # An undo deletes what a repair has given to nodes that did not have it, and a node of a mesh asks before it joins.
    may = {"repair": [["DEL", SHARED]], "replication": [["INFO"]] if cluster.engine.is_mesh else []}.get(user, [])
    attempts = [[user, command] for command in [*EVERYBODYS, *FORBIDDEN[user]] if command not in may]
    answers = node.ask(
        on_node_engine.answers, address=node.address, port=cluster.port, passwords=cluster.passwords, attempts=attempts
    )
    # DEBUG is switched off altogether where the engine can.
    let_through = {
        " ".join(command): answer
        for (_, command), answer in zip(attempts, answers, strict=True)
        if not answer.startswith(("-NOPERM", "-ERR DEBUG command not allowed"))
    }
    assert let_through == {}


def test_without_the_right_password_nothing_goes(cluster: Cluster, node: Node) -> None:
    wrong = dict.fromkeys([*FORBIDDEN, "default", "nobody"], "wrong")
    attempts = [["", ["PING"]], ["", ["GET", SHARED]], *([user, ["PING"]] for user in wrong)]
    answers = node.ask(
        on_node_engine.answers, address=node.address, port=cluster.port, passwords=wrong, attempts=attempts
    )
    assert [answer.split()[0] for answer in answers[:2]] == ["-NOAUTH", "-NOAUTH"]
    assert {answer.split()[1] for answer in answers[2:]} == {"-WRONGPASS"}
