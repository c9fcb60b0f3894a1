"""Storms over real servers that are killed, frozen and refuse: what their histories say has to be what happened."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from app_harness import Program, Server, StartProgram, StartServer, eventually, free_port, run_program
from keydb_observer.history import RUN, Do, Operation, Outcome, Recorded
from keydb_observer.judge_keys import Finding, Keys, lost_writes, never_written, resurrected, wrong_counters
from keydb_observer.states import KeyState, KeyStates
from keydb_observer.storm_keys import KeyKind, kind_of

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


class Storm:
    """A storm under the name ``here``, its history and its samples."""

    def __init__(self, start_program: StartProgram, directory: Path, server: Server, *arguments: str) -> None:
        self.history, self.samples = directory / "history.jsonl", directory / "samples.jsonl"
        self.program: Program = start_program(
            *("storm", "--node", f"here={server.address}", "--name", "here", "--rate", "300", "--timeout", "0.5"),
            *("--history", str(self.history), "--samples", str(self.samples), *arguments),
        )

    def operations(self) -> Sequence[Operation]:
        return Recorded.read(self.history).operations if self.history.exists() else []

    def settled(self, outcome: Outcome = Outcome.ACKNOWLEDGED) -> list[Operation]:
        return [operation for operation in self.operations() if operation.outcome is outcome and operation.done_ns]

    def goes_on(self, count: int = 200) -> None:
        """Waits until so many more operations are acknowledged."""
        before = len(self.settled())
        eventually(lambda: len(self.settled()) >= before + count, f"{count} more operations are acknowledged")

    def sampled(self) -> list[dict[str, Any]]:
        lines = self.samples.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def stop(self) -> None:
        assert self.program.terminate() == 0
        assert all(operation.done_ns for operation in self.operations())


@pytest.fixture
def start_storm(start_program: StartProgram, tmp_path: Path) -> Callable[..., Storm]:
    return lambda server, *arguments: Storm(start_program, tmp_path, server, *arguments)


def keys_at(operations: Sequence[Operation], *servers: Server) -> Keys:
    states: dict[str, dict[str, KeyState]] = {}
    for place, server in enumerate(servers):
        client = server.admin()
        names = list(client.scan_iter(match="storm:*", count=1000))
        for name, value in zip(names, client.mget(names) if names else [], strict=True):
            held = KeyState("none") if value is None else KeyState("string", value.decode())
            states.setdefault(name.decode(), {})[f"node{place}"] = held
    # So that there is something of every node.
    nothing = {f"node{place}": KeyState("none") for place in range(len(servers))}
    return Keys({"here": operations}, [KeyStates(key, nothing | some) for key, some in (states | {"": {}}).items()])


def wrongs(keys: Keys) -> list[Finding]:
    durable, plain = lost_writes(keys)
    back = [finding for some in resurrected(keys) for finding in some]
    return [*durable, *plain, *back, *wrong_counters(keys), *never_written(keys)]


def test_a_calm_storm(server: Server, start_storm: Callable[..., Storm]) -> None:
    storm = start_storm(server, "--durable", "0", "--seed", "7")
    storm.goes_on(500)
    storm.stop()
    storm.program.says(rf"storm starts at operation 1 on here \({server.address}\): 300 operations/s, seed 7")
    storm.program.says(r"storm stops: \d+ acknowledged, 0 failed, 0 unknown")
    operations = storm.operations()
    assert [operation.op for operation in operations] == list(range(1, len(operations) + 1))
    assert all(operation.is_acknowledged for operation in operations)
    assert {kind_of(operation.key) for operation in operations} == set(KeyKind) - {KeyKind.DURABLE}
    assert {operation.do for operation in operations} == set(Do)
    assert all(0 < operation.sent_ns <= operation.done_ns for operation in operations)
    # A line when it is sent, and one when its outcome is known.
    assert len(storm.history.read_text().splitlines()) == 2 * len(operations)
    assert wrongs(keys_at(operations, server)) == []
    sample = storm.sampled()[-1]
    assert {**sample, "at_ns": 0} == {"at_ns": 0, "up": True, "loading": False, "links_up": 0, "links": 0}
    assert abs(sample["at_ns"] - time.time_ns()) < 60e9


def test_durable_is_what_a_replica_has_confirmed(start_server: StartServer, start_storm: Callable[..., Storm]) -> None:
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    eventually(lambda: replica.admin().info("replication")["master_link_status"] == "up", "the link is up")
    storm = start_storm(primary, "--durable", "1")
    storm.goes_on()

    def waiting() -> list[Operation]:
        kinds = (KeyKind.DURABLE, KeyKind.GONE)
        return [each for each in storm.settled() if kind_of(each.key) in kinds and each.why.startswith("wait: ")]

    assert waiting() == []
    replica.send(signal.SIGSTOP)
    eventually(lambda: len(waiting()) >= 3, "nobody confirms")
    # The others go on meanwhile.
    storm.goes_on()
    replica.send(signal.SIGCONT)
    eventually(lambda: storm.settled()[-1].durable or storm.settled()[-2].durable, "it confirms again")
    storm.stop()
    operations = storm.operations()
    for operation in operations:
        waits = kind_of(operation.key) is KeyKind.DURABLE or operation.do is Do.DEL
        assert operation.durable == (waits and operation.is_acknowledged and not operation.why), operation
    assert {each.why for each in waiting()} == {"wait: 0"}
    offset = primary.admin().info("replication")["master_repl_offset"]
    eventually(lambda: replica.admin().info("replication")["slave_repl_offset"] >= offset, "it has all")
    assert wrongs(keys_at(operations, primary, replica)) == []


def test_a_server_that_is_killed_and_keeps_its_data(
    start_server: StartServer, start_storm: Callable[..., Storm]
) -> None:
    server = start_server(*ALWAYS)
    storm = start_storm(server, "--durable", "0")
    for _ in range(3):
        storm.goes_on()
        server.kill()
        eventually(lambda: not storm.sampled()[-1]["up"], "it is seen to be down")
        server.start()
    storm.goes_on()
    storm.stop()
    assert len(storm.program.matching(r"storm: writing to here .*: it refuses connections")) >= 1
    storm.program.says(r"storm: writing to here .*: well again after")
    assert {sample["why"] for sample in storm.sampled() if not sample["up"]} <= {"refused", "lost", "silent", "loading"}
    assert wrongs(keys_at(storm.operations(), server)) == []


def test_a_server_that_is_killed_and_forgets(server: Server, start_storm: Callable[..., Storm]) -> None:
    storm = start_storm(server, "--durable", "0")
    storm.goes_on()
    known = len(storm.settled())
    server.kill()
    server.start()
    storm.goes_on()
    storm.stop()
    keys = keys_at(storm.operations(), server)
    _, lost = lost_writes(keys)
    assert len(lost) > known / 10
    assert all(finding.op and finding.op <= known + 50 for finding in lost)
    assert wrong_counters(keys)
    assert never_written(keys) == []
    assert resurrected(keys) == ([], [])


def test_a_server_that_is_frozen(start_server: StartServer, start_storm: Callable[..., Storm]) -> None:
    server = start_server()
    storm = start_storm(server, "--durable", "0")
    storm.goes_on()
    for _ in range(2):
        before = len(storm.settled(Outcome.UNKNOWN))
        server.send(signal.SIGSTOP)
        eventually(lambda before=before: len(storm.settled(Outcome.UNKNOWN)) > before, "what is under way is unknown")
        eventually(lambda: storm.sampled()[-1] == {**storm.sampled()[-1], "up": False, "why": "silent"}, "it is seen")
        server.send(signal.SIGCONT)
        storm.goes_on()
    storm.stop()
    unknown = storm.settled(Outcome.UNKNOWN)
    assert len(unknown) <= 2 * 4, "one for each connection"
    assert all("it does not answer" in operation.why for operation in unknown)
    assert max(operation.done_ns - operation.sent_ns for operation in unknown) < 5e9
    assert wrongs(keys_at(storm.operations(), server)) == []


def test_what_is_refused_has_failed(server: Server, start_storm: Callable[..., Storm]) -> None:
    storm = start_storm(server, "--durable", "0")
    storm.goes_on()
    server.admin().config_set("maxmemory", 1)
    eventually(lambda: len(storm.settled(Outcome.FAILED)) > 20, "it is refused")
    server.admin().config_set("maxmemory", 0)
    storm.goes_on()
    storm.stop()
    reasons = {operation.why.partition(" (")[0] for operation in storm.settled(Outcome.FAILED)}
    assert reasons == {"it has no memory left"}
    assert wrongs(keys_at(storm.operations(), server)) == []


def test_it_goes_on_where_it_was_killed(server: Server, start_storm: Callable[..., Storm], tmp_path: Path) -> None:
    killed = Storm(Program, tmp_path, server, "--durable", "0")
    killed.goes_on()
    killed.program.end()
    storm = start_storm(server, "--durable", "0")
    storm.program.says(f"storm starts at operation {RUN} ")
    storm.goes_on()
    assert storm.program.terminate() == 0
    operations = storm.operations()
    assert {operation.op // RUN for operation in operations} == {0, 1}
    assert all(operation.done_ns for operation in operations if operation.op >= RUN)
    assert wrongs(keys_at(operations, server)) == []


def test_what_cannot_be_written_down_is_not_done(server: Server, start_storm: Callable[..., Storm]) -> None:
    storm = start_storm(server, "--durable", "0")
    storm.goes_on()
    process = storm.program.process.pid
    full = storm.history.stat().st_size + 1000
    resource.prlimit(process, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    storm.program.says(r"storm: writing .*/history.jsonl: it cannot be written \(File too large\)")
    time.sleep(0.5)
    before = server.admin().info("commandstats")
    time.sleep(0.5)
    after = server.admin().info("commandstats")
    assert before.get("cmdstat_set", {}).get("calls") == after.get("cmdstat_set", {}).get("calls")
    resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    storm.program.says(r"storm: writing .*/history.jsonl: well again after")
    storm.goes_on()
    storm.stop()
    assert Recorded.read(storm.history).broken == 0
    assert wrongs(keys_at(storm.operations(), server)) == []


def test_it_ends_by_itself_if_told_so(server: Server, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    result = run_program(
        *("storm", "--node", server.address, "--history", str(history), "--duration", "1", "--durable", "0")
    )
    assert result.returncode == 0
    assert 30 <= len(Recorded.read(history).operations) <= 62


@pytest.mark.parametrize("attempt", range(5))
def test_it_stops_where_nothing_listens(attempt: int, start_program: StartProgram, tmp_path: Path) -> None:
    storm = start_program(
        *("storm", "--node", f"127.0.0.1:{free_port()}", "--history", str(tmp_path / "history")),
        *("--samples", str(tmp_path / "samples")),
    )
    storm.says("storm: writing to .*: it refuses connections")
    time.sleep(0.5 + 0.13 * attempt)
    began = time.monotonic()
    assert storm.terminate() == 0
    assert time.monotonic() - began < 5


def test_least_privilege_is_enough(server: Server, start_storm: Callable[..., Storm], tmp_path: Path) -> None:
    rules = ("resetchannels", "-@all", "+ping", "+info", "+set", "+incr", "+del", "+wait", "+scan", "+get", "~storm:*")
    server.admin().execute_command("ACL", "SETUSER", "storm", "on", ">secret", *rules)
    password = tmp_path / "password"
    password.write_text("secret\n")
    access = ("--username", "storm", "--password-file", str(password))
    storm = start_storm(server, *access)
    storm.goes_on()
    storm.stop()
    assert storm.settled(Outcome.FAILED) == []
    assert storm.sampled()[-1]["up"]
    states = run_program("states", "--node", server.address, *access, "--match", "storm:*")
    assert states.returncode == 0, states.stderr
    assert len(states.stdout.splitlines()) > 50
    assert server.admin().execute_command("ACL", "LOG") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--history: not given; allowed: a file that can be added to"),
        (["--history", "/nowhere/x"], "--history: /nowhere/x given: there is no such directory; allowed: a file"),
        (["--history", "/"], "--history: / given: it is not a file"),
        (["--history", "h", "--samples", ""], "--samples: '' given: it is not a path"),
        (["--history", "h", "--rate", "0"], "--rate: 0 given: it is out of range"),
        (["--history", "h", "--hot-keys", "0"], "--hot-keys: 0 given: it is out of range"),
        (["--history", "h", "--seed", "x"], "--seed: x given: it is not a number"),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    result = run_program("storm", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"keydb-observer: {message}")
