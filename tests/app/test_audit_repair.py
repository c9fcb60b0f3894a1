"""Making real servers equal, and undoing it: servers that know nothing of each other, and a mesh of KeyDB's."""

from __future__ import annotations

import asyncio
import json
import random
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from app_harness import ENGINES, Server, StartServer, eventually, meanwhile, run_program
from keydb_observer.audit import AuditResult, run_audit
from keydb_observer.audit_nodes import Nodes, connected
from keydb_observer.audit_repair_result import RepairResult
from keydb_observer.audit_repair_run import Watchers, footing, repair_nodes, run_repair
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.audit_undo_file import Undo
from keydb_observer.messages import SharedValue
from keydb_observer.node_facts import NodeFacts
from keydb_observer.resolution import resolve_audit
from keydb_observer.settings import Settings
from keydb_observer.stream import Command

QUICK = AuditSettings(settle=0.1, batch=50, repair=True)
# Changes this server only, whoever replicates from it.
ALONE = """
redis.replicate_commands()
redis.set_repl(redis.REPL_NONE)
return redis.call(unpack(ARGV))
"""
Content = dict[bytes, object]


def alone(server: Server, *command: object) -> None:
    server.admin().eval(ALONE, 0, *command)


def settings_of(servers: Sequence[Server]) -> Settings:
    nodes = [f"node{place + 1}={server.address}" for place, server in enumerate(servers)]
    settings, _ = resolve_audit({"node": nodes, "name": "test"}, {})
    return settings


def repair(servers: Sequence[Server], undo_file: Path | None, audit: AuditSettings = QUICK) -> RepairResult:
    async def run() -> RepairResult:
        async with connected(settings_of(servers)) as nodes:
            _, result = await repair_nodes(nodes, await footing(nodes), audit, undo_file, Watchers())
            return result

    return asyncio.run(run())


def differing(servers: Sequence[Server]) -> AuditResult:
    return asyncio.run(run_audit(QUICK, settings_of(servers)))


def content(server: Server) -> Content:
    client = server.admin()
    read: dict[bytes, Callable[[bytes], object]] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: sorted(client.zrange(key, 0, -1, withscores=True)),
        b"stream": client.xrange,
    }
    return {key: read[client.type(key)](key) for key in client.scan_iter()}


@pytest.fixture
def trio(start_server: StartServer) -> list[Server]:
    """Three servers that know nothing of each other; the first one has run longest."""
    return [start_server(), start_server(), start_server()]


# No other engine has active replicas.
in_a_mesh = pytest.mark.parametrize("engine", [name for name in ENGINES if name == "keydb"])


@pytest.fixture
def mesh(start_server: StartServer) -> list[Server]:
    """Three active replicas, each of all the others."""
    servers: list[Server] = []
    for _ in range(3):
        server = start_server("--active-replica", "yes", "--multi-master", "yes", "--multi-master-no-forward", "yes")
        servers.append(server)
    for server in servers:
        for other in servers:
            if other is not server:
                server.admin().execute_command("REPLICAOF", "127.0.0.1", other.port)
    for server in servers:
        eventually(lambda server=server: links_up(server) == 2, "the links are up")
    return servers


def links_up(server: Server) -> int:
    return NodeFacts.from_info(server.admin().info(), 3).links_up


def make_different(servers: Sequence[Server], write: Callable[..., None]) -> None:
    """Differences of each kind; ``write`` changes one server only."""
    one, two, three = servers
    for server in servers:
        write(server, "set", "same", "x")
        write(server, "sadd", "set", "everywhere")
        write(server, "hset", "hash", "f", "everywhere")
        write(server, "rpush", "list", "a", "b")
        write(server, "set", "expiry", "x", "px", 900_000)
    write(one, "set", "only here", "x", "px", 500_000)
    write(two, "set", "most", "wrong")
    for server in (one, three):
        write(server, "set", "most", "right")
    for place, server in enumerate(servers):
        write(server, "set", "tie", f"of node{place + 1}")
        write(server, "sadd", "set", f"of node{place + 1}")
        write(server, "hset", "hash", f"f{place}", place)
        write(server, "zadd", "zset", 1 + (place == 1), "m", place, f"m{place}")
        write(server, "set", "timed", SharedValue("w", 1, place + 1, 1000 + place).encode())
    write(three, "hset", "hash", "f", "differs")
    write(two, "rpush", "list", "c")
    write(three, "pexpire", "expiry", 2_000_000)
    write(one, "set", "type", "x")
    for server in (two, three):
        write(server, "rpush", "type", "x")
    write(three, "xadd", "stream", "1-1", "f", "v")


EQUAL: Content = {
    b"same": b"x",
    b"only here": b"x",
    b"most": b"right",
    b"tie": b"of node1",
    b"timed": SharedValue("w", 1, 3, 1002).encode(),
    b"set": {b"everywhere", b"of node1", b"of node2", b"of node3"},
    b"hash": {b"f": b"everywhere", b"f0": b"0", b"f1": b"1", b"f2": b"2"},
    b"zset": [(b"m", 1.0), (b"m0", 0.0), (b"m1", 1.0), (b"m2", 2.0)],
    b"list": [b"a", b"b"],
    b"expiry": b"x",
    b"type": [b"x"],
    b"stream": [(b"1-1", {b"f": b"v"})],
}
KEYS = len(EQUAL) - 1
"""That are different at first."""


def assert_equal(servers: Sequence[Server]) -> None:
    assert [content(server) for server in servers] == [EQUAL] * len(servers)
    for server in servers:
        assert 1_900_000 < server.admin().pttl("expiry") <= 2_000_000
        assert 400_000 < server.admin().pttl("only here") <= 500_000
        assert server.admin().pttl("most") == -1


def write_plainly(server: Server, *command: object) -> None:
    server.admin().execute_command(*command)


def test_servers_become_equal_by_the_rule(trio: list[Server], tmp_path: Path) -> None:
    make_different(trio, write_plainly)
    result = repair(trio, tmp_path / "undo")
    assert (result.repaired_keys, result.busy, result.failed, result.troubles) == (KEYS, 0, 0, [])
    assert_equal(trio)
    assert differing(trio).differing == 0
    again = repair(trio, tmp_path / "another")
    assert again.repaired_keys == 0
    assert not (tmp_path / "another").exists()


@in_a_mesh
def test_a_mesh_becomes_equal_by_the_rule(mesh: list[Server], tmp_path: Path) -> None:
    make_different(mesh, alone)
    assert differing(mesh).differing == KEYS
    # Started within a second of each other, they might have run for the same number of seconds, or not.
    result = repair(mesh, tmp_path / "undo")
    assert (result.repaired_keys, result.busy, result.failed, result.troubles) == (KEYS, 0, 0, [])
    assert differing(mesh).differing == 0
    assert content(mesh[0]) == content(mesh[1]) == content(mesh[2])
    assert_equal(mesh)


def test_more_differences_than_an_audit_keeps(
    trio: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keydb_observer.audit.MOST_LISTED", 30)
    trio[0].admin().mset({f"key{n}": n for n in range(100)})
    result = repair(trio, tmp_path / "undo")
    assert result.repaired == {"presence": 100}
    assert [server.admin().dbsize() for server in trio] == [100] * 3


def test_large_values_and_many_members(trio: list[Server], tmp_path: Path) -> None:
    trio[1].admin().set("large", b"\x00\xff" * 500_000)
    for place, server in enumerate(trio):
        server.admin().sadd("many", *range(place * 1000, place * 1000 + 3000))
        server.admin().zadd("scores", {f"m{n}": n / 3 for n in range(place * 1000, place * 1000 + 3000)})
    result = repair(trio, tmp_path / "undo")
    assert (result.repaired_keys, result.failed) == (3, 0)
    assert {server.admin().scard("many") for server in trio} == {5000}
    assert differing(trio).differing == 0


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(trio: list[Server]) -> None:
    make_different(trio, write_plainly)
    before = [content(server) for server in trio]
    nodes = [argument for n, server in enumerate(trio) for argument in ("--node", f"node{n + 1}={server.address}")]
    told = run_program("audit", *nodes, "--repair", "--dry-run", "--settle", "0.1")
    assert (told.returncode, told.stderr) == (1, "")
    assert "to be repaired: given to all 2, latest expiry 1, longest up 1, most nodes 3, newest write 1" in told.stdout
    assert "only here: given to all: node2, node3 get the string of node1" in told.stdout
    assert "timed: newest write: node1, node2 get the string of node3" in told.stdout
    assert "a dry run: nothing was changed" in told.stdout
    assert [content(server) for server in trio] == before


def test_the_command_repairs_and_undoes(trio: list[Server], tmp_path: Path) -> None:
    make_different(trio, write_plainly)
    before = [content(server) for server in trio]
    undo, output = tmp_path / "undo.jsonl", tmp_path / "audit.json"
    nodes = [argument for n, server in enumerate(trio) for argument in ("--node", f"node{n + 1}={server.address}")]
    told = run_program(
        *("audit", *nodes, "--repair", "--undo-file", str(undo), "--settle", "0.1", "--output", str(output))
    )
    assert (told.returncode, told.stderr) == (0, ""), told
    assert told.stdout.index("to be repaired") < told.stdout.index(f"{KEYS} keys repaired")
    assert f"; undo file: {undo}" in told.stdout
    assert stat.S_IMODE(undo.stat().st_mode) == 0o600
    assert json.loads(output.read_text())["repair"]["repaired"] == {"expiry": 1, "presence": 2, "type": 1, "value": 7}
    assert_equal(trio)

    again = run_program("audit", *nodes, "--repair", "--undo-file", str(undo))
    assert again.returncode == 2
    assert f"--undo-file: {undo} given: it is there already; allowed:" in again.stderr

    trio[1].admin().set("most", "written since")
    undone = run_program("audit", *nodes, "--undo", str(undo))
    assert undone.returncode == 1
    assert f"{KEYS - 1} keys put back" in undone.stdout
    assert "1 keys are not as the repair left them" in undone.stdout
    after = [content(server) for server in trio]
    assert [{k: v for k, v in each.items() if k != b"most"} for each in after] == [
        {k: v for k, v in each.items() if k != b"most"} for each in before
    ]
    assert after[1][b"most"] == b"written since"
    assert 800_000 < trio[0].admin().pttl("expiry") <= 900_000


@in_a_mesh
def test_in_a_mesh_an_undo_gives_all_what_one_had(mesh: list[Server], tmp_path: Path) -> None:
    for place, server in enumerate(mesh):
        alone(server, "set", "key", "good" if place else "bad")
    alone(mesh[2], "set", "deleted elsewhere", "x")
    repair(mesh, tmp_path / "undo")
    assert [content(server) for server in mesh] == [{b"key": b"good", b"deleted elsewhere": b"x"}] * 3
    nodes = [argument for n, server in enumerate(mesh) for argument in ("--node", f"node{n + 1}={server.address}")]
    wrong = run_program("audit", *nodes, "--undo", str(tmp_path / "undo"), "--undo-as", "node9")
    assert wrong.returncode == 2
    undone = run_program("audit", *nodes, "--undo", str(tmp_path / "undo"))
    assert (undone.returncode, undone.stderr) == (0, "")
    eventually(lambda: [content(server) for server in mesh] == [{b"key": b"bad"}] * 3, "all have what node1 had")


@in_a_mesh
def test_nobody_elses_write_is_lost_to_a_repair(mesh: list[Server], tmp_path: Path) -> None:
    """Each key is written once meanwhile, at any of the nodes: before it is looked at, in the middle, or afterwards."""
    keys = [f"key{n}" for n in range(2000)]
    for place, server in enumerate(mesh):
        alone(server, "mset", *(part for key in keys for part in (key, "old" if place else "older")))
    clients = [server.admin() for server in mesh]
    written: list[str] = []

    def write(over: threading.Event) -> None:
        for key in random.Random(7).sample(keys, len(keys) - 200):  # noqa: S311 - a seed of a test
            if over.is_set():
                return
            clients[len(written) % 3].set(key, f"live {key}")
            written.append(key)
            time.sleep(0.0007)

    with meanwhile(write):
        result = repair(mesh, tmp_path / "undo")
    assert result.failed == 0
    # Or nothing was shown.
    assert len(written) > 100
    assert result.repaired_keys > 100
    live = set(written)
    expected = {key: (f"live {key}" if key in live else "old").encode() for key in keys}
    for number, client in enumerate(clients):
        found = dict(zip(keys, client.mget(keys), strict=True))
        lost = {key: (found[key], expected[key]) for key in keys if key in live and found[key] != expected[key]}
        assert lost == {}, number
    # Those that were busy are the next repair's.
    repair(mesh, tmp_path / "another")
    assert [dict(zip(keys, client.mget(keys), strict=True)) for client in clients] == [expected] * 3


@in_a_mesh
@pytest.mark.parametrize("writer", [0, 1, 2])
def test_a_live_write_wins_against_a_repair_that_is_on_its_way(
    writer: int, mesh: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever node it is made, and at every node that the repair gets to, by replication too."""
    for place, server in enumerate(mesh):
        alone(server, "set", "key", "old" if place else "older")
    ask = Nodes.ask
    sent: list[int] = []

    async def interfered(nodes: Nodes, place: int, commands: Iterable[Command]) -> list[object]:
        commands = list(commands)
        if [command[0] for command in commands] == ["KEYDB.MVCCRESTORE"]:
            sent.append(place)
            mesh[writer].admin().set("key", "live")
        return await ask(nodes, place, commands)

    monkeypatch.setattr(Nodes, "ask", interfered)
    result = repair(mesh, tmp_path / "undo")
    assert sent == [0]
    assert [server.admin().get("key") for server in mesh] == [b"live"] * 3
    assert (result.repaired_keys, result.busy, result.failed) == (0, 1, 0)
    assert Undo.read(tmp_path / "undo").left == {}


def test_a_write_between_the_look_and_the_repair_is_left_alone(
    trio: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right before the transaction, which is where the server itself has to see to it."""
    for place, server in enumerate(trio):
        server.admin().set("key", "right" if place else "wrong")
    ask = Nodes.ask

    async def interfered(nodes: Nodes, place: int, commands: Iterable[Command]) -> list[object]:
        commands = list(commands)
        if commands[:1] == [("MULTI",)]:
            trio[place].admin().set("key", "live")
        return await ask(nodes, place, commands)

    monkeypatch.setattr(Nodes, "ask", interfered)
    result = repair(trio, tmp_path / "undo")
    assert trio[0].admin().get("key") == b"live"
    assert (result.repaired_keys, result.busy, result.failed) == (0, 1, 0)
    assert Undo.read(tmp_path / "undo").left == {}


def test_a_replica_is_refused(start_server: StartServer, tmp_path: Path) -> None:
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    eventually(lambda: replica.admin().info("replication")["master_link_status"] == "up", "the replica follows")
    nodes = ["--node", f"primary={primary.address}", "--node", f"replica={replica.address}"]
    for how in (["--dry-run"], ["--undo-file", str(tmp_path / "undo")]):
        told = run_program("audit", *nodes, "--repair", *how)
        assert told.returncode == 2
        assert f"replica ({replica.address}) is a read-only replica" in told.stderr
        assert "synchronisation" in told.stderr
    assert not (tmp_path / "undo").exists()


@in_a_mesh
def test_nothing_is_repaired_around_a_link_that_is_down(mesh: list[Server], tmp_path: Path) -> None:
    alone(mesh[0], "set", "key", "x")
    mesh[2].kill()
    eventually(lambda: links_up(mesh[0]) == 1, "the link is down")
    told = run_program(
        *("audit", "--node", mesh[0].address, "--node", mesh[1].address),
        *("--repair", "--undo-file", str(tmp_path / "undo")),
    )
    assert told.returncode == 1
    assert f"the link from {mesh[0].address} to 127.0.0.1:{mesh[2].port} is down: not repaired around" in told.stderr
    assert mesh[1].admin().get("key") is None


def test_a_repair_that_may_not_write_says_so(start_server: StartServer, tmp_path: Path) -> None:
    servers = [start_server(), start_server("--user", "default", "on", "nopass", "~*", "+@all", "-restore")]
    servers[0].admin().set("key", "x")
    result = repair(servers, tmp_path / "undo")
    assert (result.repaired_keys, result.failed) == (0, 1)
    assert len(result.troubles) == 1
    assert servers[1].address in result.troubles[0]


@in_a_mesh
def test_the_rights_of_the_documentation_are_enough(mesh: list[Server], tmp_path: Path) -> None:
    rights = "+ping +info +time +scan +dbsize +exists +type +pttl +getrange +lrange +hscan +sscan +zscan +xrange +dump"
    rights += " +watch +unwatch +multi +exec +restore +keydb.mvccrestore +hset +sadd +zadd +pexpire +persist +del ~*"
    for server in mesh:
        server.admin().execute_command("ACL", "SETUSER", "repair", "on", ">secret", "-@all", *rights.split())
    make_different(mesh, alone)
    password = tmp_path / "password"
    password.write_text("secret\n")
    nodes = [argument for n, server in enumerate(mesh) for argument in ("--node", f"node{n + 1}={server.address}")]
    common = ["audit", *nodes, "--username", "repair", "--password-file", str(password)]
    told = run_program(*common, "--repair", "--undo-file", str(tmp_path / "undo"), "--settle", "0.1")
    assert (told.returncode, told.stderr) == (0, ""), told
    undone = run_program(*common, "--undo", str(tmp_path / "undo"))
    assert (undone.returncode, undone.stderr) == (0, ""), undone
    assert [server.admin().execute_command("ACL", "LOG") for server in mesh] == [[], [], []]


def test_an_undo_file_is_told_from_others_and_survives_a_cut(trio: list[Server], tmp_path: Path) -> None:
    trio[0].admin().mset({"a": 1, "b": 2})
    path = tmp_path / "undo"
    repair(trio, path)
    undo = Undo.read(path)
    assert undo.nodes == ("node1", "node2", "node3")
    assert set(undo.left) == {b"a", b"b"}
    assert sorted(record.key for record in undo.records()) == [b"a", b"b"]
    path.write_text(path.read_text()[:-20])
    assert len(Undo.read(path).left) == 1
    for spoiled in ("", "{}\n", "nonsense\n", "[1]\n"):
        path.write_text(spoiled)
        told = run_program("audit", "--node", trio[0].address, "--node", trio[1].address, "--undo", str(path))
        assert told.returncode == 2
        assert "not a file that a repair wrote" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--repair"], "--undo-file: not given"),
        (["--dry-run"], "--dry-run: given without --repair"),
        (["--undo-file", "/there/is/no/such"], "no such directory"),
        (["--undo-as", "node1"], "--undo-as: given without --undo"),
        (["--undo", "/nowhere"], "--undo: /nowhere given: it cannot be read"),
    ],
)
def test_wrong_options(arguments: list[str], said: str) -> None:
    told = run_program("audit", "--node", "127.0.0.1:1", "--node", "127.0.0.1:2", *arguments)
    assert told.returncode == 2
    assert said in told.stderr


def test_an_audit_within_a_time_says_that_it_is_not_complete(trio: list[Server]) -> None:
    for server in trio:
        server.admin().mset({f"key{n}": n for n in range(20_000)})
    cut = asyncio.run(run_audit(AuditSettings(within=0.1, batch=10), settings_of(trio)))
    assert not cut.is_complete
    assert 0 < cut.examined < 20_000
    assert asyncio.run(run_audit(AuditSettings(within=60), settings_of(trio))).is_complete


def test_a_run_reports_what_it_would_do(trio: list[Server]) -> None:
    trio[0].admin().set("key", "x")
    dry = AuditSettings(settle=0.1, repair=True, dry_run=True)
    found, result = asyncio.run(run_repair(dry, settings_of(trio), Watchers()))
    assert (found.differing, result.planned, result.repaired_keys) == (1, {"given to all": 1}, 0)
    assert trio[1].admin().dbsize() == 0
