"""The writer and both listeners as processes, against a real server that is treated badly."""

from __future__ import annotations

import signal
import time

import pytest
from app_harness import Program, Server, StartProgram, eventually, written

both_modes = pytest.mark.parametrize("mode", ["sync", "async"])


def read_line(mode: str, seq: int | str) -> str:
    return (
        rf"^listener-{mode} read shared_key: "
        rf"writer timestamp \d+\.\d{{9}} seq {seq}, Time difference: -?\d+\.\d{{6}} seconds, "
        rf"value after -?\d+\.\d{{6}} seconds, clock error "
    )


def start_listener(start_program: StartProgram, server: Server, mode: str, *further: str) -> Program:
    """A listener that has subscribed: it has looked at the key once."""
    listener = start_program(
        "--node", f"here={server.address}", "--name", "here", "--timeout", "0.5", *further, "listen", "--mode", mode
    )
    listener.says(f"^listener-{mode}(: shared_key: there is no such key| found on subscribing)")
    return listener


def test_writer_and_both_listeners(server: Server, start_program: StartProgram) -> None:
    listeners = {mode: start_listener(start_program, server, mode) for mode in ("sync", "async")}
    writer = start_program("--node", server.address, "--name", "here", "write", "--interval", "0.2")
    writer.says(r"^writer starts epoch \d+ on shared_key every 0.2 seconds, where nothing was$")
    for mode, listener in listeners.items():
        listener.says(read_line(mode, 3))
        answer = writer.says(
            rf"^writer saw listener-{mode} on here answer seq 3: "
            r"round trip (\d+\.\d{6}) seconds, clock offset (-?\d+\.\d{6}) seconds, "
            r"clock error (?:unknown|\d+\.\d{6} seconds)$"
        )
        assert float(answer[1]) < 5
        # One host, one clock: the offset that is found is no more than the error of the method.
        assert abs(float(answer[2])) <= float(answer[1]) / 2 + 0.000001
    for program in (writer, *listeners.values()):
        began = time.monotonic()
        assert program.terminate() == 0
        assert time.monotonic() - began < 5
    assert [match[1] for match in writer.matching(r"wrote .* seq (\d+)$")][:3] == ["1", "2", "3"]


@both_modes
def test_high_rates_are_summed_up(mode: str, server: Server, start_program: StartProgram) -> None:
    listener = start_listener(start_program, server, mode)
    writer = start_program("--node", server.address, "--name", "here", "write", "--interval", "0.005")
    listener.says("more than 10 events per second: one line a second from here on$")
    listener.says(
        r"^listener-.* in \d\.\d seconds: \d+ events of 1 keys, \d+ read, .* Time difference p50 .* max", times=2
    )
    writer.says("more than 10 writes and answers per second: one line a second from here on$")
    writer.says(r"^writer in \d\.\d seconds: \d+ writes, \d+ answers; round trip p50 .* max", times=2)
    assert len(listener.matching("Time difference: ")) <= 10
    assert len(writer.matching("^writer (wrote|saw .* answer)")) <= 10
    writer.terminate()
    listener.says("less than half of 10 events per second: a line for each event again$")
    server.admin().set("shared_key", written(1, epoch=2**62))
    listener.says(read_line(mode, 1))


def test_writer_says_what_it_follows(server: Server, start_program: StartProgram) -> None:
    server.admin().set("shared_key", written(41, epoch=7, writer="old"))
    writer = start_program("--node", server.address, "write")
    writer.says(r"after seq 41 of writer old epoch 7, written \d+\.\d{6} seconds before$")
    writer.says("^writer wrote shared_key: .* seq 1$")
    server.admin().set("shared_key", "garbage")
    writer = start_program("--node", server.address, "write")
    writer.says(r"over a foreign value \(JSON is malformed.*\)$")


def test_all_survive_a_killed_server(server: Server, start_program: StartProgram) -> None:
    listeners = {mode: start_listener(start_program, server, mode) for mode in ("sync", "async")}
    writer = start_program("--node", server.address, "--timeout", "0.5", "write", "--interval", "0.2")
    for mode, listener in listeners.items():
        listener.says(read_line(mode, 2))
    server.kill()
    for program in (writer, *listeners.values()):
        program.says("it refuses connections: nothing listens there$")
    time.sleep(1)
    server.start()
    for program in (writer, *listeners.values()):
        program.says("well again after")
    reached = int(writer.says(r"wrote .* seq (\d+)$", times=len(writer.matching(r"wrote .* seq \d+$")) + 2)[1])
    for mode, listener in listeners.items():
        listener.says(read_line(mode, reached))
    first, *_, last = writer.matching(r"wrote .* timestamp (\d+)\.(\d{9}) seq (\d+)$")
    lasted_ns = int(last[1] + last[2]) - int(first[1] + first[2])
    assert lasted_ns / 200_000_000 - (int(last[3]) - int(first[3])) >= 4, "it made up for the writes of the outage"


@both_modes
def test_missed_writes_are_counted(mode: str, server: Server, start_program: StartProgram) -> None:
    listener = start_listener(start_program, server, mode)
    server.admin().set("shared_key", written(1))
    listener.says(read_line(mode, 1))
    server.kill()
    listener.says("the connection is lost|it refuses connections")
    server.start()
    listener.says("reading from here .*: well again after")
    server.admin().set("shared_key", written(5))
    listener.says(f"^listener-{mode} missed 3 of shared_key: seq 2 to 4$")
    listener.says(read_line(mode, 5))
    server.admin().set("shared_key", written(3, epoch=2, writer="other"))
    listener.says(f"^listener-{mode} follows a new epoch of shared_key: writer other epoch 2, from seq 3 on$")
    listener.says(f"^listener-{mode} missed 2 of shared_key: seq 1 to 2$")
    server.admin().set("shared_key", written(4))
    listener.says(f"^listener-{mode} read shared_key seq 4 reordered: after a later write$")
    assert listener.terminate() == 0
    listener.says(f"^listener-{mode} stops: 3 read, 0 superseded, 5 missed, 0 repeated, 1 reordered$")


@both_modes
def test_a_value_from_before_is_no_reaction(mode: str, server: Server, start_program: StartProgram) -> None:
    server.admin().set("shared_key", written(8))
    listener = start_listener(start_program, server, mode)
    listener.says(
        rf"^listener-{mode} found on subscribing shared_key: "
        r"writer timestamp \d+\.\d{9} seq 8, written \d+\.\d{6} seconds before$"
    )
    server.admin().set("shared_key", written(9))
    listener.says(read_line(mode, 9))
    assert not listener.matching(read_line(mode, 8))
    assert not listener.matching("missed")


@both_modes
def test_absent_foreign_and_malformed_values(mode: str, server: Server, start_program: StartProgram) -> None:
    admin = server.admin()
    admin.set("shared_key", written(1))
    listener = start_listener(start_program, server, mode)
    admin.delete("shared_key")
    listener.says("shared_key: there is no such key")
    for _ in range(3):
        admin.set("shared_key", "garbage")
    listener.says(r"shared_key: it holds a foreign value \(JSON is malformed.*\); passing over it$")
    admin.set("shared_key", written(2))
    listener.says("shared_key: a value again after")
    admin.rpush("a_list", "item")
    admin.rename("a_list", "shared_key")
    listener.says("shared_key: there is no such key, or it holds no string", times=2)
    admin.set("shared_key", b"\xff" + written(3))
    admin.set("shared_key", written(3))
    listener.says(read_line(mode, 3))
    assert len(listener.matching("there is no such key")) == 2
    assert len(listener.matching("JSON is malformed")) <= 2, "three of the same are said once"
    assert not listener.matching("reading from")


@both_modes
def test_restored_key_is_a_wake_up(mode: str, server: Server, start_program: StartProgram) -> None:
    admin = server.admin()
    admin.set("elsewhere", written(1))
    listener = start_listener(start_program, server, mode)
    admin.restore("shared_key", 0, admin.dump("elsewhere"))
    listener.says(read_line(mode, 1))


@both_modes
def test_a_hanging_server_is_noticed(mode: str, server: Server, start_program: StartProgram) -> None:
    listener = start_listener(start_program, server, mode)
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    # The bound is twice the timeout of 0.5 seconds; the rest is for a busy machine.
    listener.says(r"it does not answer \(no answer to PING within 0.5 seconds\)$", patience=5)
    assert time.monotonic() - began > 0.4, "it gave up before it can have known"
    server.send(signal.SIGCONT)
    listener.says("well again after")
    server.admin().set("shared_key", written(1))
    listener.says(read_line(mode, 1))


@both_modes
def test_a_silent_server_that_lives_is_not_lost(mode: str, server: Server, start_program: StartProgram) -> None:
    listener = start_listener(start_program, server, mode)
    admin = server.admin()

    def pings() -> int:
        return int(admin.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))

    before = pings()
    eventually(lambda: pings() >= before + 3, "it tests a silent subscription by PING")
    assert not listener.matching("reading from")


def test_writer_notices_a_hanging_server(server: Server, start_program: StartProgram) -> None:
    writer = start_program("--node", server.address, "--timeout", "0.5", "write", "--interval", "0.2")
    writer.says("wrote")
    server.send(signal.SIGSTOP)
    writer.says("writing to .*: it does not answer", patience=5)
    writer.says("watching handshakes at .*: it does not answer", patience=5)
    assert writer.terminate() == 0
    server.send(signal.SIGCONT)


def test_writer_and_read_only_replica(server: Server, start_program: StartProgram) -> None:
    admin = server.admin()
    admin.config_set("replica-read-only", "yes")
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    writer = start_program("--node", server.address, "write", "--interval", "0.2")
    writer.says("writing to .*: it is a read-only replica")
    admin.execute_command("REPLICAOF", "NO", "ONE")
    writer.says("writing to .*: well again after")
    # A refused write used no number.
    assert writer.says(r"wrote .* seq (\d+)$")[1] == "1"
