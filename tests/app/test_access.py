"""Users with the rights that an observer needs and not one more, wrong passwords, and TLS."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from app_certificates import Certificates
from app_harness import Observe, Server, StartProgram, StartServer, eventually, run_program, written
from keydb_observer import SharedValue

KEYS = ["~shared_key", "~handshake:*"]
REPORTS = "~observer:*"
USERS = {
    "writer": ["-@all", "+ping", "+get", "+mget", "+set", "+psubscribe", *KEYS, "&__keyspace@0__:handshake:*"],
    "listener": [
        *("-@all", "+ping", "+get", "+mget", "+set", "+mset", "+subscribe"),
        *(*KEYS, REPORTS, "&__keyspace@0__:shared_key"),
    ],
    "health": ["-@all", "+ping", "+info", "+get", *KEYS, REPORTS],
}


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    return path


@pytest.fixture
def guarded(server: Server) -> Server:
    for user, rules in USERS.items():
        server.admin().execute_command("ACL", "SETUSER", user, "on", ">secret", "resetchannels", *rules)
    return server


def test_least_privilege_is_enough(guarded: Server, password_file: Path, start_program: StartProgram) -> None:
    node = ["--node", f"here={guarded.address}", "--name", "here", "--password-file", str(password_file)]
    listeners = {
        mode: start_program(*node, "--username", "listener", "listen", "--mode", mode) for mode in ("sync", "async")
    }
    writer = start_program(*node, "--username", "writer", "write", "--interval", "0.2")
    for mode, listener in listeners.items():
        listener.says("Time difference")
        writer.says(f"saw listener-{mode} on here answer")
    status = run_program(*node, "--username", "health", "status")
    assert status.returncode == 0, status
    assert all(observer in status.stdout for observer in ("writer", "listener-sync", "listener-async"))
    denied = guarded.admin().execute_command("ACL", "LOG")
    assert denied == [], "the program tried what its user may not do"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_wrong_password_is_said_once_until_it_is_mended(
    mode: str, guarded: Server, password_file: Path, start_program: StartProgram
) -> None:
    password_file.write_text("wrong\n")
    node = ["--node", guarded.address, "--password-file", str(password_file)]
    listener = start_program(*node, "--username", "listener", "listen", "--mode", mode)
    listener.says(r"reading from .*: it refuses our user name or password \(WRONGPASS")
    attempts = len(guarded.admin().execute_command("ACL", "LOG"))
    assert attempts >= 1
    guarded.admin().execute_command("ACL", "SETUSER", "listener", ">wrong")
    listener.says("reading from .*: well again after")
    guarded.admin().set("shared_key", written(1))
    listener.says("seq 1, Time difference")
    assert len(listener.matching("WRONGPASS")) == 1


def test_new_password_in_the_file_needs_no_restart(
    guarded: Server, password_file: Path, start_program: StartProgram
) -> None:
    password_file.write_text("wrong\n")
    writer = start_program(
        "--node", guarded.address, "--username", "writer", "--password-file", str(password_file), "write"
    )
    writer.says("writing to .*: it refuses our user name or password")
    password_file.write_text("secret\n")
    writer.says("^writer wrote shared_key")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_forbidden_handshake_does_not_keep_it_from_listening(
    mode: str, guarded: Server, password_file: Path, start_program: StartProgram
) -> None:
    admin = guarded.admin()
    admin.execute_command("ACL", "SETUSER", "listener", "resetkeys", "~shared_key")
    listener = start_program(
        "--node", guarded.address, "--name", "here", "--username", "listener",
        "--password-file", str(password_file), "listen", "--mode", mode, "--lines-up-to", "1000",
    )  # fmt: skip
    listener.says("there is no such key")
    for seq in (1, 2, 3):
        admin.set("shared_key", written(seq))
        listener.says(f"seq {seq}, Time difference")
    assert len(listener.matching("answering at .*: its access control list forbids this")) == 1
    admin.execute_command("ACL", "SETUSER", "listener", "~handshake:*")
    seq = 3
    while not admin.exists(f"handshake:here:{mode}"):
        seq += 1
        admin.set("shared_key", written(seq))
        listener.says(f"seq {seq}, Time difference")
        assert seq < 5000, "it never answers again"
    listener.says("answering at .*: well again after")


def test_forbidden_channel_is_said(guarded: Server, password_file: Path, start_program: StartProgram) -> None:
    listener = start_program(
        "--node", guarded.address, "--username", "writer", "--password-file", str(password_file),
        "listen", "--mode", "sync",
    )  # fmt: skip
    listener.says(r"reading from .*: its access control list forbids this \(NOPERM")


@pytest.fixture
def tls_server(start_server: StartServer, certificates: Certificates) -> Server:
    return start_server(certificates=certificates)


def client_options(certificates: Certificates) -> list[str]:
    return [
        "--tls", "--tls-ca", str(certificates.ca),
        "--tls-cert", str(certificates.client.certificate), "--tls-key", str(certificates.client.key),
    ]  # fmt: skip


def test_tls_with_a_client_certificate(
    tls_server: Server, certificates: Certificates, start_program: StartProgram
) -> None:
    node = ["--node", f"here={tls_server.address}", "--name", "here", *client_options(certificates)]
    listeners = {mode: start_program(*node, "listen", "--mode", mode) for mode in ("sync", "async")}
    writer = start_program(*node, "write", "--interval", "0.2")
    for mode, listener in listeners.items():
        listener.says("Time difference")
        writer.says(f"saw listener-{mode} on here answer")
    assert run_program(*node, "status").returncode == 0
    for program in (writer, *listeners.values()):
        assert program.terminate() == 0


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_replies_of_many_tls_records(
    mode: str, tls_server: Server, certificates: Certificates, observe: Observe
) -> None:
    payloads: list[str] = []
    observe(
        lambda change: payloads.append(change.value.payload) if change.value else None,
        mode=mode, node=tls_server.address, key="big:*", name="here", tls=True, tls_ca=certificates.ca,
        tls_cert=certificates.client.certificate, tls_key=certificates.client.key,
    )  # fmt: skip
    admin = tls_server.admin()
    eventually(lambda: admin.pubsub_numpat() == 1, "it listens")
    pipeline = admin.pipeline(transaction=False)
    written_payloads = ["".join(chr(33 + (number + place) % 90) for place in range(50_000)) for number in range(30)]
    for number, payload in enumerate(written_payloads):
        pipeline.set(f"big:{number}", SharedValue("test", 1, 1, time.time_ns(), payload=payload).encode())
    pipeline.execute()
    eventually(lambda: len(payloads) == len(written_payloads), "it has read them all")
    assert sorted(payloads) == sorted(written_payloads)


@pytest.mark.parametrize("command", [["write"], ["listen", "--mode", "sync"], ["listen", "--mode", "async"]])
def test_tls_without_a_client_certificate(
    command: list[str], tls_server: Server, certificates: Certificates, start_program: StartProgram
) -> None:
    program = start_program("--node", tls_server.address, "--tls", "--tls-ca", str(certificates.ca), *command)
    # The server refuses after its own part of the handshake: whether its alert or the end comes first is a race.
    program.says("TLS fails: .*certificate required|the connection is lost")
    assert not program.matching("there is no such key|wrote")


@pytest.mark.parametrize("command", [["write"], ["listen", "--mode", "sync"], ["listen", "--mode", "async"]])
def test_tls_trusts_nobody_else(
    command: list[str], tls_server: Server, other_certificates: Certificates, start_program: StartProgram
) -> None:
    program = start_program("--node", tls_server.address, *client_options(other_certificates), *command)
    program.says("TLS fails: the server's certificate is not accepted")


@pytest.mark.parametrize("command", [["write"], ["listen", "--mode", "sync"], ["listen", "--mode", "async"]])
def test_tls_checks_the_name(
    command: list[str], tls_server: Server, certificates: Certificates, start_program: StartProgram
) -> None:
    program = start_program("--node", f"localhost:{tls_server.port}", *client_options(certificates), *command)
    program.says("TLS fails: the server's certificate is not accepted: Hostname mismatch")


def test_plain_text_to_a_tls_port(tls_server: Server, start_program: StartProgram) -> None:
    listener = start_program("--node", tls_server.address, "listen", "--mode", "async")
    listener.says("reading from .*: the connection is lost")


@pytest.mark.parametrize(
    "command", [["write", "--interval", "0.2"], ["listen", "--mode", "sync"], ["listen", "--mode", "async"]]
)
def test_sigterm_while_the_server_hangs(
    command: list[str], tls_server: Server, certificates: Certificates, start_program: StartProgram
) -> None:
    """Saying goodbye in TLS, or to a command that is under way, must not be waited for."""
    tls_server.admin().set("shared_key", written(1))
    program = start_program("--node", tls_server.address, *client_options(certificates), *command)
    program.says("wrote|found on subscribing")
    tls_server.send(signal.SIGSTOP)
    began = time.monotonic()
    assert program.terminate() == 0
    assert time.monotonic() - began < 5
