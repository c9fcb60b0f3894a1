"""Three real servers with the rendered configuration: they accept it, and the role's modules see them as they are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keydb_config
import keydb_live_config
import keydb_probe
import keydb_ready
import keydb_traffic
import pytest
import redis
from ansible.module_utils.testing import patch_module_args
from keydb_node import connect
from preflight_rules.engine import EVENT_LETTERS
from roles_servers import ADDRESSES, PATIENCE, Servers, eventually, free_port, has_keydb, program_of

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=["redis", *(["keydb"] if has_keydb() else [])])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp(request.param)
    servers = Servers(request.param, program_of(request.param, directory), directory)
    servers.render()
    try:
        for name in ADDRESSES:
            servers.start(name)
        servers.wait_until_ready()
        yield servers
    finally:
        for name in list(servers.processes):
            servers.kill(name)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls a module as Ansible does; what it returns."""

    def call(module: ModuleType, **arguments: Any) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def test_each_node_is_ready(servers: Servers, run: Run) -> None:
    for name in ADDRESSES:
        links = {"sources": servers.sources(name), "replicas": servers.replicas(name)}
        peers = {kind: [ADDRESSES[each] for each in names] for kind, names in links.items()}
        result = run(keydb_ready, **servers.connection(name), **peers, timeout=int(PATIENCE))
        assert not result.get("failed"), result
        assert result["missing"] == {}
        assert result["version"][0].isdigit()


def test_a_link_that_is_not_there_is_named(servers: Servers, run: Run) -> None:
    result = run(keydb_ready, **servers.connection("node1"), sources=["127.71.0.99"], timeout=0)
    assert result["failed"] is True
    assert result["missing"] == {"from 127.71.0.99": "not configured"}
    where = f"127.71.0.11:{servers.port}"
    assert result["msg"] == f"{where} is not ready after 0 s. from 127.71.0.99: not configured"


def test_a_server_that_does_not_answer_is_not_ready(servers: Servers, run: Run) -> None:
    result = run(keydb_ready, **{**servers.connection("node1"), "port": free_port()}, timeout=0)
    assert result["failed"] is True
    assert "refused" in result["missing"]["server"]


def test_a_wrong_password_is_not_ready(servers: Servers, run: Run) -> None:
    result = run(keydb_ready, **{**servers.connection("node1"), "password": "not the password"}, timeout=0)
    assert result["failed"] is True
    assert "invalid" in result["missing"]["server"]


def test_the_live_configuration_is_the_files(servers: Servers, run: Run) -> None:
    for name in ADDRESSES:
        result = run(keydb_live_config, **servers.connection(name, "operator"), file=str(servers.config(name)))
        assert not result.get("failed"), result
        assert result["different"] == []
        # KeyDB does not answer for these two.
        assert set(result["unknown"]) <= {"enable-motd", "multi-master"}
        skipped = {"include", "replicaof", *result["unknown"]}
        assert result["compared"] == len(set(servers.rendered[name].names) - skipped) + len(
            ("masteruser", "masterauth")
        )


def test_every_difference_is_found(servers: Servers, run: Run, tmp_path: Path) -> None:
    changes = {
        "maxmemory": ("maxmemory 134217728", "maxmemory 128m"),
        "save": ("save 900 1\n", ""),
        "notify-keyspace-events": ('"K$gxE"', '"K$gx"'),
        "client-output-buffer-limit": ("pubsub 33554432", "pubsub 33554433"),
        "tls-protocols": ("TLSv1.2 TLSv1.3", "TLSv1.3"),
        "hz": ("hz 20", "hz 21"),
        "masterauth": (f"masterauth {servers.passwords['replication']}", "masterauth another"),
    }
    text = servers.config("node1").read_text("utf-8")
    auth = servers.config("node1").with_name("replication-auth.conf")
    text = text.replace(f"include {auth}", auth.read_text("utf-8"))
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    changed = tmp_path / "keydb.conf"
    changed.write_text(text, "utf-8")
    result = run(keydb_live_config, **servers.connection("node1", "operator"), file=str(changed))
    assert result["failed"] is True
    assert [each.split(":")[0] for each in result["different"]] == sorted(changes)
    assert servers.passwords["replication"] not in json.dumps(result)
    assert "hz: file says '21', server says '20'" in result["msg"]
    proof = run(keydb_probe, **{**probe_arguments(servers, "node1"), "file": str(changed)})
    assert len(proof["problems"]) == len(changes)
    assert "the server does not do what its file says: hz: file says '21', server says '20'" in proof["problems"]
    assert servers.passwords["replication"] not in json.dumps(proof)


def probe_arguments(servers: Servers, name: str) -> dict[str, Any]:
    return {
        **servers.connection(name, "verify"),
        "health_password": servers.passwords["health"],
        "operator_password": servers.passwords["operator"],
        "file": str(servers.config(name)),
        "nodes": ADDRESSES,
        "sources": servers.sources(name),
        "replicas": servers.replicas(name),
        "writable": servers.is_writable(name),
        "timeout": PATIENCE,
    }


def test_the_proof_holds_on_every_node(servers: Servers, run: Run) -> None:
    for name in ADDRESSES:
        result = run(keydb_probe, **probe_arguments(servers, name))
        assert result["problems"] == []
        expected = len(servers.sources(name)) + len(servers.replicas(name))
        assert result["links_up"] == result["links_expected"] == expected
        assert len(result["refused"]) == result["attempts"] == (7 if servers.is_writable(name) else 8)
        if servers.is_writable(name):
            assert set(result["arrived"]) == set(result["told"]) == set(ADDRESSES)
        else:
            assert "write on a replica" in result["refused"]


def test_the_proof_names_what_it_could_do_but_should_not(servers: Servers, run: Run) -> None:
    """As a user that may do more, the attempts are let through: the proof must say so."""
    arguments = probe_arguments(servers, "node1")
    result = run(keydb_probe, **{**arguments, "username": "writer", "password": servers.passwords["writer"]})
    assert "forbidden key: was not refused" in result["problems"]
    # It may not write below verify: either, which is what it is asked to do first.
    assert any(
        problem.startswith("a write on this node failed") or "cannot be subscribed to" in problem
        for problem in result["problems"]
    )


def traffic_arguments(servers: Servers, name: str) -> dict[str, Any]:
    others = [other for other in ADDRESSES if other != name]
    return {
        **servers.connection(name, "verify"),
        "health_password": servers.passwords["health"],
        "peers": {other: ADDRESSES[other] for other in others},
        "writable": [other for other in others if servers.is_writable(other)],
        "seconds": 1,
        "rate": 50,
    }


@pytest.mark.parametrize("name", ["node1", "node2"])
def test_what_a_capture_looks_for_is_written_elsewhere_and_counted_here(servers: Servers, run: Run, name: str) -> None:
    arguments = traffic_arguments(servers, name)
    result = run(keydb_traffic, **arguments)
    assert result["problems"] == []
    assert len(result["marker"]) == 48
    assert result["marker"] != run(keydb_traffic, **arguments)["marker"]
    assert 0.9e9 < result["ended_ns"] - result["begun_ns"] < PATIENCE * 1e9
    # Without another node that takes writes it only connects.
    assert (result["written"] > 10) == bool(arguments["writable"])
    # It is the replicated ones that are counted; the last of them may still be on their way, and one takes it away.
    assert 0.8 * result["written"] <= result["writes_seen"] <= result["written"] + 1
    operator = connect(servers.connection("node1", "operator"))
    assert not list(operator.scan_iter("verify:*"))
    operator.close()


def test_traffic_names_the_node_that_it_cannot_speak_to(servers: Servers, run: Run) -> None:
    arguments = traffic_arguments(servers, "node2")
    result = run(keydb_traffic, **{**arguments, "peers": {**arguments["peers"], "node9": "127.71.0.99"}})
    (problem,) = result["problems"]
    assert problem.startswith("it could not speak with all nodes: ")
    assert result["written"] == 0


def test_each_user_may_only_what_the_role_says(servers: Servers) -> None:
    health = connect(servers.connection("node1"))
    assert health.ping()
    with pytest.raises(redis.ResponseError, match="permission"):
        health.set("shared_key", "x")
    health.close()
    operator = connect(servers.connection("node1", "operator"))
    assert operator.config_get("maxmemory") == {"maxmemory": str(128 << 20)}
    for command in (["CONFIG", "SET", "hz", "10"], ["FLUSHALL"], ["ACL", "SETUSER", "x"], ["KEYS", "*"]):
        with pytest.raises(redis.ResponseError, match="permission"):
            operator.execute_command(*command)
    operator.close()


def test_no_plaintext_and_no_stranger(servers: Servers) -> None:
    plain = connect(servers.connection("node1"), ssl=False, username=None, password=None)
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        plain.ping()
    plain.close()
    stranger = connect(servers.connection("node1"), ssl_certfile=None, ssl_keyfile=None)
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        stranger.ping()
    stranger.close()


def test_no_password_is_in_a_servers_log_or_arguments(servers: Servers) -> None:
    for name, process in servers.processes.items():
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert len(servers.log(name)) > 100
        for password in servers.passwords.values():
            assert password not in servers.log(name)
            assert password not in arguments


def test_a_dead_node_is_named_by_the_others_and_comes_back(servers: Servers, run: Run) -> None:
    servers.kill("node3")
    try:
        result = run(keydb_probe, **{**probe_arguments(servers, "node1"), "timeout": 1})
        told = "\n".join(result["problems"])
        assert "link to node3 (127.71.0.13) is not connected" in told
        if servers.is_mesh:
            assert "link from node3 (127.71.0.13) is down" in told
        assert "node3 (127.71.0.13) cannot be subscribed to from here" in told
        assert "node2" not in told
        assert result["links_up"] < result["links_expected"]
        assert set(result["arrived"]) == set(result["told"]) == {"node1", "node2"}
        dead = run(keydb_probe, **probe_arguments(servers, "node3"))
        assert len(dead["problems"]) == 1
        assert dead["problems"][0].startswith("the server does not answer: ")
    finally:
        servers.start("node3")
    # With patience it sees that all comes back.
    assert run(keydb_probe, **{**probe_arguments(servers, "node1"), "patience": PATIENCE})["problems"] == []
    servers.wait_until_ready()


def test_every_letter_that_preflight_allows_is_known(servers: Servers, tmp_path: Path) -> None:
    """A letter that the server does not know keeps it from starting."""
    letters = EVENT_LETTERS[servers.engine]
    command = [servers.program, "--port", "0", "--unixsocket", str(tmp_path / "socket"), "--dir", str(tmp_path)]
    command += ["--save", "", "--daemonize", "no", "--notify-keyspace-events", letters]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=str(tmp_path / "socket"))
        try:

            def answers() -> bool:
                assert process.poll() is None, f"{servers.engine} does not know one of {letters}"
                return (tmp_path / "socket").exists() and bool(client.ping())

            eventually(answers, f"{servers.engine} answers")
            answer = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
        finally:
            client.close()
            process.kill()
    assert keydb_config.same("notify-keyspace-events", [letters], answer)
