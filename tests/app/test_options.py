"""Where an option may come from, which of them wins, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_certificates import Certificates
from app_harness import run_program
from keydb_observer import __version__
from keydb_observer.messages import Mode
from keydb_observer.nodes import Node
from keydb_observer.resolution import ALL_OPTIONS, WrongOptionError, resolve

COMMANDS = ("write", "listen", "status", "top", "load", "audit", "heal", "storm", "states", "judge")


def wrong(command: str, arguments: dict[str, object], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(WrongOptionError) as caught:
        resolve(command, arguments, environment or {})
    message = str(caught.value)
    assert "\n" not in message
    return message


def config(tmp_path: Path, content: str) -> dict[str, object]:
    path = tmp_path / "observer.toml"
    path.write_text(content)
    return {"config": str(path)}


def test_defaults() -> None:
    settings = resolve("write", {"name": "here"}, {})
    assert settings.nodes == (Node("127.0.0.1:6379", "127.0.0.1", 6379),)
    assert settings.write_node is None
    assert (settings.key, settings.interval, settings.timeout) == ("shared_key", 10.0, 3.0)
    assert settings.credentials is None
    assert settings.tls is None


def test_command_line_wins_over_environment_wins_over_file(tmp_path: Path) -> None:
    file = config(tmp_path, 'interval = 1\nkey = "from_file"\nname = "from-file"\nnode = ["a=h:1", "b=h:2"]\n')
    environment = {"KEYDB_OBSERVER_INTERVAL": "2", "KEYDB_OBSERVER_KEY": "from_variable", "KEYDB_OBSERVER_NAME": ""}
    settings = resolve("write", {**file, "interval": "3"}, environment)
    assert (settings.interval, settings.key, settings.name) == (3.0, "from_variable", "from-file")
    assert [node.name for node in settings.nodes] == ["a", "b"]


def test_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    path = config(tmp_path, "interval = 0.25\n")["config"]
    assert resolve("write", {}, {"KEYDB_OBSERVER_CONFIG": str(path)}).interval == 0.25


def test_file_may_spell_names_with_underscores(tmp_path: Path) -> None:
    settings = resolve("write", config(tmp_path, 'write_node = "h:1"\n'), {})
    assert settings.write_node.address == "h:1"


def test_nodes_in_a_variable_are_a_list() -> None:
    settings = resolve("write", {}, {"KEYDB_OBSERVER_NODE": "a=h:1, b=[::1]:2"})
    assert settings.nodes == (Node("a", "h", 1), Node("b", "::1", 2))
    assert settings.nodes[1].address == "[::1]:2"


@pytest.mark.parametrize(
    ("command", "name", "value", "message"),
    [
        ("write", "interval", "x", "--interval: x given: it is not a number; allowed: a number of seconds from"),
        ("write", "interval", "0", "--interval: 0 given: it is out of range; allowed: a number of seconds from 0.001"),
        ("write", "interval", "-1", "--interval: -1 given: it is out of range"),
        ("write", "interval", "nan", "--interval: nan given: it is out of range"),
        ("write", "interval", "", "--interval: '' given: it is not a number"),
        (
            "write",
            "timeout",
            "0.01",
            "--timeout: 0.01 given: it is out of range; allowed: a number of seconds from 0.1",
        ),
        ("write", "node", ["h"], "--node: h given: it is not HOST:PORT; allowed: HOST:PORT or NAME=HOST:PORT"),
        ("write", "node", ["h:0"], "--node: h:0 given: the port is out of range"),
        ("write", "node", ["h:65536"], "--node: h:65536 given: the port is out of range"),
        ("write", "node", ["h:1a"], "--node: h:1a given: it is not HOST:PORT"),
        ("write", "node", ["redis://h:1"], "--node: redis://h:1 given: it is not HOST:PORT"),
        ("write", "node", ["a b=h:1"], "--node: a b=h:1 given: 'a b' is no name"),
        ("write", "node", ["a=h:1", "a=h:2"], "--node: a=h:1, a=h:2 given: the name a is given twice"),
        ("write", "node", ["a=h:1", "b=h:1"], "--node: a=h:1, b=h:1 given: the address h:1 is given twice"),
        ("write", "write-node", "h:1,h:2", "--write-node: h:1,h:2 given: it is not HOST:PORT"),
        ("write", "key", ["a b"], "--key: a b given; allowed: keys of 1 to 512 printable characters without spaces"),
        ("write", "key", [""], "--key: '' given; allowed: keys of 1 to 512"),
        ("write", "key", ["handshake:x"], "--key: handshake:x given: such keys are the listeners' answers"),
        ("write", "key", ["observer:x"], "--key: observer:x given: such keys are the listeners' answers"),
        ("write", "key", ["a", "b"], "--key: a, b given; allowed: for write, one key, no pattern"),
        ("write", "key", ["a*"], "--key: a* given; allowed: for write, one key, no pattern"),
        ("listen", "key", ["a", "a"], "--key: a, a given: the key a is given twice"),
        ("listen", "key", ["*"], "--key: * given: it would match the listeners' answers; begin it with what the keys"),
        ("listen", "lines-up-to", "-1", "--lines-up-to: -1 given: it is out of range; allowed: a number of events per"),
        ("listen", "metrics", "9100", "--metrics: 9100 given: it is not HOST:PORT; allowed: HOST:PORT"),
        ("listen", "metrics", "a=h:1", "--metrics: a=h:1 given: it has a name; allowed: HOST:PORT"),
        ("write", "name", "a:b", "--name: a:b given; allowed: 1 to 253 letters"),
        ("write", "name", "a\nb", r"--name: 'a\nb' given; allowed: 1 to 253 letters"),
        ("write", "username", "a b", "--username: a b given; allowed: a user name without spaces"),
        ("write", "username", "me", "--username: given without --password-file; allowed: both together"),
        (
            "write",
            "password-file",
            "/nowhere",
            "--password-file: /nowhere given: No such file or directory; allowed: a",
        ),
        ("write", "tls-ca", "/nowhere", "--tls-ca: /nowhere given: No such file or directory; allowed: a readable PEM"),
        ("listen", "mode", "both", "--mode: both given; allowed: sync or async"),
    ],
)
def test_wrong_option(command: str, name: str, value: object, message: str) -> None:
    assert wrong(command, {name: value}).startswith(message)


def test_mode_is_needed() -> None:
    assert wrong("listen", {}) == "--mode: not given; allowed: sync or async"
    assert resolve("listen", {}, {"KEYDB_OBSERVER_MODE": "async"}).mode is Mode.ASYNC


def test_wrong_value_is_reported_with_its_place(tmp_path: Path) -> None:
    assert wrong("write", {}, {"KEYDB_OBSERVER_INTERVAL": "x"}).startswith("KEYDB_OBSERVER_INTERVAL: x given")
    file = config(tmp_path, "interval = -1\n")
    assert wrong("write", file).startswith(f"interval in {file['config']}: -1 given: it is out of range; allowed: a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("intervall = 1", "intervall in PATH: it is no option; allowed: node, write-node, username, "),
        ('password = "secret"', "password in PATH: it is no option; allowed: "),
        ('write-node = "h:1"\nwrite_node = "h:2"', "write_node in PATH: it is given twice; allowed: "),
        ("[node]\na = 1", "node in PATH: {'a': 1} given: it is not a list of nodes; allowed: "),
        ("node = []", "node in PATH: nothing given: it is not a list of nodes; allowed: "),
        ("node = [6379]", "node in PATH: 6379 given: it is not a string; allowed: HOST:PORT"),
        ("interval = true", "interval in PATH: True given: it is not a number; allowed: "),
        ("tls = 1", "tls in PATH: 1 given: it is not a string; allowed: true or false"),
        ('tls = "maybe"', "tls in PATH: maybe given; allowed: true or false"),
        ("key = 1", "key in PATH: 1 given: it is not a list of keys; allowed: keys of 1 to 512"),
        ("key = ", "--config: PATH given: "),
    ],
)
def test_wrong_file(tmp_path: Path, content: str, message: str) -> None:
    file = config(tmp_path, content)
    assert wrong("write", file).startswith(message.replace("PATH", str(file["config"])))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert wrong("write", {"config": str(tmp_path)}).startswith(f"--config: {tmp_path} given: Is a directory; allowed:")
    (tmp_path / "binary").write_bytes(b"\xff")
    assert wrong("write", {"config": str(tmp_path / "binary")}).startswith(f"--config: {tmp_path}/binary given: ")


@pytest.mark.parametrize(("content", "reason"), [(b"\n", "it is empty"), (b"\xff\xfe", "it is not UTF-8")])
def test_password_file_without_a_password(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert wrong("write", {"password-file": str(path)}).startswith(f"--password-file: {path} given: {reason}; allowed:")


def test_certificates_without_tls_are_no_accident(certificates: Certificates) -> None:
    ca = {"tls-ca": str(certificates.ca)}
    assert wrong("write", dict(ca)) == "--tls-ca: given without --tls; allowed: with --tls, or with --no-tls"
    assert resolve("write", {**ca, "tls": False}, {}).tls is None
    tls = resolve("write", dict(ca), {"KEYDB_OBSERVER_TLS": "yes"}).tls
    assert tls
    assert tls.ca == certificates.ca


def test_certificate_and_key_belong_together(certificates: Certificates) -> None:
    client, server = certificates.client, certificates.server
    assert (
        wrong("write", {"tls": True, "tls-cert": str(client.certificate)})
        == "--tls-cert: given without --tls-key; allowed: both together"
    )
    assert (
        wrong("write", {"tls": True, "tls-key": str(client.key)})
        == "--tls-key: given without --tls-cert; allowed: both together"
    )
    mismatch = {"tls": True, "tls-cert": str(client.certificate), "tls-key": str(server.key)}
    assert wrong("write", mismatch).startswith(f"--tls-key: {server.key} given: it is not the key of --tls-cert")
    no_key = {"tls": True, "tls-cert": str(client.certificate), "tls-key": str(certificates.ca)}
    assert wrong("write", no_key).startswith(f"--tls-key: {certificates.ca} given: no such key")


def test_authority_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("garbage")
    assert wrong("write", {"tls": True, "tls-ca": str(path)}).startswith(
        f"--tls-ca: {path} given: no certificate in it; allowed: a readable PEM file"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            f"keydb-observer: the following arguments are required: {'|'.join(COMMANDS)}; see keydb-observer --help",
        ),
        (
            ["write", "--intervall", "1"],
            "keydb-observer: unrecognized arguments: --intervall 1; see keydb-observer --help",
        ),
        (
            ["write", "--interval"],
            "keydb-observer: argument --interval: expected one argument; see keydb-observer write",
        ),
        (["write", "--interval", "x"], "keydb-observer: --interval: x given: it is not a number; allowed: a number of"),
        (["--node", "h", "status"], "keydb-observer: --node: h given: it is not HOST:PORT; allowed: HOST:PORT"),
        (["listen"], "keydb-observer: --mode: not given; allowed: sync or async"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    result = run_program(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_options_may_stand_on_both_sides_of_the_command(tmp_path: Path) -> None:
    file = str(config(tmp_path, 'node = ["from-file=127.0.0.1:1"]\n')["config"])
    before = run_program("--config", file, "--timeout", "1", "status", "--json")
    after = run_program("status", "--config", file, "--json")
    assert '"from-file"' in before.stdout
    assert '"from-file"' in after.stdout


@pytest.mark.parametrize("command", ["write", "listen", "status", "top", "load", "audit", "heal", "storm", "states"])
def test_help_names_every_option(command: str) -> None:
    result = run_program(command, "--help")
    assert result.returncode == 0
    for option in ALL_OPTIONS:
        assert (f"{option.flag} " in result.stdout or f"{option.flag}," in result.stdout) == (
            not option.commands or command in option.commands
        ), option.name
    assert "examples:" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 120


def test_help_and_version() -> None:
    overview = run_program("--help")
    assert overview.returncode == 0
    assert all(
        word in overview.stdout for word in ("write", "listen", "status", "load", "examples:", "notify-keyspace-events")
    )
    assert run_program("--version").stdout == f"keydb-observer {__version__}\n"
