"""The options: their names, what they mean, what is allowed, and where a value may come from.

Each may be given on the command line, as an environment variable or in a TOML file; the earlier of these wins. A value
is checked in the same way wherever it came from, and a wrong one is reported with the place that it came from.
"""

from __future__ import annotations

import math
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keydb_observer.connection import read_password
from keydb_observer.messages import HANDSHAKE_PREFIX, NAME_ALLOWED, NAME_PATTERN, Mode
from keydb_observer.nodes import Node
from keydb_observer.settings import Credentials, Settings, Tls

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT_PREFIX = "KEYDB_OBSERVER_"
CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
DEFAULT_NODE = "127.0.0.1:6379"

_ADDRESS_ALLOWED = "HOST:PORT or NAME=HOST:PORT, port 1 to 65535, IPv6 as [ADDRESS]:PORT"
_LONGEST_KEY = 512


class WrongOptionError(Exception):
    """An option is wrong or missing. The text is one line: where it was given, what was given, what is allowed."""


class _RefusedError(ValueError):
    """A value is not allowed, for the reason in the text (which may be empty)."""


@dataclass(frozen=True)
class Option:
    """``name`` is as on the command line, without dashes in front. ``command`` is empty when every command has it."""

    name: str
    parse: Callable[[object], Any]
    allowed: str
    help: str
    metavar: str = ""
    command: str = ""
    is_repeatable: bool = False
    is_flag: bool = False

    @property
    def flag(self) -> str:
        """As on the command line: ``--write-node``."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """As in the environment: ``KEYDB_OBSERVER_WRITE_NODE``."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise _RefusedError("it is not a string")
    return given


def _flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return words[_text(given).lower()]
    except KeyError:
        raise _RefusedError from None


def _seconds(least: float, most: float) -> Callable[[object], float]:
    def parse(given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise _RefusedError("it is not a number")
        try:
            seconds = float(given)
        except ValueError:
            raise _RefusedError("it is not a number") from None
        if not math.isfinite(seconds) or not least <= seconds <= most:
            raise _RefusedError("it is out of range")
        return seconds

    return parse


def _node(given: object) -> Node:
    try:
        return Node.parse(_text(given).strip())
    except ValueError as error:
        raise _RefusedError(str(error)) from None


def _nodes(given: object) -> tuple[Node, ...]:
    listed = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed:
        raise _RefusedError("it is not a list of nodes")
    nodes = tuple(_node(item) for item in listed)
    for what, seen in (("name", [node.name for node in nodes]), ("address", [node.address for node in nodes])):
        for item in seen:
            if seen.count(item) > 1:
                raise _RefusedError(f"the {what} {item} is given twice")
    return nodes


def _name(given: object) -> str:
    if not NAME_PATTERN.fullmatch(_text(given)):
        raise _RefusedError
    return _text(given)


def _key(given: object) -> str:
    key = _text(given)
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isprintable() or " " in key:
        raise _RefusedError
    if key.startswith(HANDSHAKE_PREFIX):
        raise _RefusedError("such keys are the listeners' answers")
    return key


def _username(given: object) -> str:
    username = _text(given)
    if not username or not username.isprintable() or " " in username:
        raise _RefusedError
    return username


def _mode(given: object) -> Mode:
    try:
        return Mode(_text(given))
    except ValueError:
        raise _RefusedError from None


def _readable_file(given: object) -> Path:
    path = Path(_text(given))
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        raise _RefusedError(getattr(error, "strerror", None) or str(error)) from None


def _password_file(given: object) -> Path:
    path = _readable_file(given)
    try:
        read_password(path)
    except UnicodeDecodeError:
        raise _RefusedError("it is not UTF-8") from None
    except ValueError as error:
        raise _RefusedError(str(error)) from None
    return path


OPTIONS: tuple[Option, ...] = (
    Option(
        "node",
        _nodes,
        f"{_ADDRESS_ALLOWED}; each name and address once",
        f"a server, and the name it has in tables; repeat for more. The first one is read from and subscribed to, "
        f"status asks them all (default {DEFAULT_NODE})",
        "[NAME=]HOST:PORT",
        is_repeatable=True,
    ),
    Option(
        "write-node",
        _node,
        _ADDRESS_ALLOWED,
        "the server that writes go to, if the first --node is a read-only replica (default: the first --node)",
        "HOST:PORT",
    ),
    Option("username", _username, "a user name without spaces", "the user of the server's access control list", "USER"),
    Option(
        "password-file",
        _password_file,
        "a readable file that holds a password",
        "the file that holds the password, read again at every connection",
        "PATH",
    ),
    Option(
        "tls",
        _flag,
        "true or false",
        "speak TLS, at least 1.2, and check the server's certificate and address (default: off)",
        is_flag=True,
    ),
    Option(
        "tls-ca",
        _readable_file,
        "a readable PEM file with the certificates of authorities",
        "trust the certificate authorities in this file (default: those of the system)",
        "PATH",
    ),
    Option(
        "tls-cert",
        _readable_file,
        "a readable PEM file with a certificate",
        "the client certificate to show to the server",
        "PATH",
    ),
    Option(
        "tls-key",
        _readable_file,
        "a readable PEM file with the private key of --tls-cert, not encrypted",
        "the private key of the client certificate",
        "PATH",
    ),
    Option(
        "key",
        _key,
        f"1 to {_LONGEST_KEY} printable characters without spaces, not beginning with {HANDSHAKE_PREFIX}",
        "the key that the writer writes and the listeners watch, in database 0 (default shared_key)",
        "KEY",
    ),
    Option("name", _name, NAME_ALLOWED, "what this host is called in values and handshakes (default: its host name)"),
    Option(
        "timeout",
        _seconds(0.1, 600),
        "a number of seconds from 0.1 to 600",
        "seconds after which a server that does not answer counts as lost; a subscription that has been silent for as "
        "long is tested by a PING, so that a dead one is noticed within twice this time (default 3)",
        "SECONDS",
    ),
    Option(
        "interval",
        _seconds(0.001, 86400),
        "a number of seconds from 0.001 to 86400",
        "seconds from one write to the next (default 10)",
        "SECONDS",
        command="write",
    ),
    Option(
        "mode",
        _mode,
        "sync or async",
        "which kind of listener: a blocking loop (sync) or asyncio (async)",
        "sync|async",
        command="listen",
    ),
    Option(
        "json",
        _flag,
        "true or false",
        "print JSON instead of a table",
        command="status",
        is_flag=True,
    ),
)

_BY_NAME = {option.name: option for option in OPTIONS}


@dataclass(frozen=True)
class _Given:
    """A value as it was found, and the place where, in words."""

    value: object
    place: str


def resolve(command: str, arguments: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """Puts together what ``command`` was told.

    ``arguments`` holds the options given on the command line under their names, and ``config`` for the file.
    Raises WrongOptionError.
    """
    given = _collect(arguments, environment)
    values = {name: _parse(_BY_NAME[name], found) for name, found in given.items()}
    if command == "listen" and "mode" not in values:
        raise WrongOptionError("--mode: not given; allowed: sync or async")
    nodes: tuple[Node, ...] = values.get("node") or (Node.parse(DEFAULT_NODE),)
    return Settings(
        nodes=nodes,
        write_node=values.get("write-node") or nodes[0],
        name=values.get("name") or _host_name(),
        key=values.get("key", "shared_key"),
        timeout=values.get("timeout", 3.0),
        interval=values.get("interval", 10.0),
        mode=values.get("mode"),
        as_json=values.get("json", False),
        credentials=_credentials(values, given),
        tls=_tls(values, given),
    )


def _collect(arguments: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, _Given]:
    config = _Given(arguments["config"], "--config") if "config" in arguments else None
    if config is None and environment.get(CONFIG_VARIABLE):
        config = _Given(environment[CONFIG_VARIABLE], CONFIG_VARIABLE)
    given = _read_config(config) if config else {}
    for option in OPTIONS:
        # An empty variable is how a unit or a shell takes one back.
        if environment.get(option.variable):
            given[option.name] = _Given(environment[option.variable], option.variable)
        if option.name in arguments:
            given[option.name] = _Given(arguments[option.name], option.flag)
    return given


def _read_config(config: _Given) -> dict[str, _Given]:
    path = Path(str(config.value))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongOptionError(
            f"{config.place}: {path} given: {error.strerror}; allowed: a readable TOML file"
        ) from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise WrongOptionError(f"{config.place}: {path} given: {reason}; allowed: a TOML file") from None
    given = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in _BY_NAME or name in given:
            reason = "is given twice" if name in given else "is no option"
            raise WrongOptionError(f"{key} in {path}: it {reason}; allowed: {', '.join(_BY_NAME)}, each once")
        given[name] = _Given(value, f"{key} in {path}")
    return given


def _parse(option: Option, given: _Given) -> Any:
    try:
        return option.parse(given.value)
    except _RefusedError as refused:
        reason = f": {refused}" if str(refused) else ""
        raise WrongOptionError(
            f"{given.place}: {_shown(given.value)} given{reason}; allowed: {option.allowed}"
        ) from None


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "nothing"
    return repr(value) if value == "" or not str(value).isprintable() else str(value)


def _host_name() -> str:
    name = socket.gethostname()
    if not NAME_PATTERN.fullmatch(name):
        raise WrongOptionError(f"--name: not given, and this host's name {name!r} will not do; allowed: {NAME_ALLOWED}")
    return name


def _credentials(values: Mapping[str, Any], given: Mapping[str, _Given]) -> Credentials | None:
    if "password-file" in values:
        return Credentials(values.get("username"), values["password-file"])
    if "username" in values:
        raise WrongOptionError(f"{given['username'].place}: given without --password-file; allowed: both together")
    return None


def _tls(values: Mapping[str, Any], given: Mapping[str, _Given]) -> Tls | None:
    files = [name for name in ("tls-ca", "tls-cert", "tls-key") if name in values]
    if not values.get("tls"):
        # Whoever names certificates wants TLS. Going on in plain text needs an explicit no.
        if files and "tls" not in values:
            raise WrongOptionError(
                f"{given[files[0]].place}: given without --tls; allowed: with --tls, or with --no-tls"
            )
        return None
    if ("tls-cert" in values) != ("tls-key" in values):
        there, missing = ("tls-cert", "tls-key") if "tls-cert" in values else ("tls-key", "tls-cert")
        raise WrongOptionError(f"{given[there].place}: given without --{missing}; allowed: both together")
    tls = Tls(values.get("tls-ca"), values.get("tls-cert"), values.get("tls-key"))
    _check_certificates(tls, given)
    return tls


def _check_certificates(tls: Tls, given: Mapping[str, _Given]) -> None:
    """A file that is no certificate is a wrong option, not a trouble that time may mend."""
    context = ssl.create_default_context()
    try:
        if tls.ca:
            context.load_verify_locations(cafile=tls.ca)
    except (ssl.SSLError, OSError):
        raise _wrong_file(given["tls-ca"], "tls-ca", "no certificate in it") from None
    try:
        if tls.certificate and tls.key:
            # A password is never asked for: there is nobody to type it.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        is_mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
        reason = "it is not the key of --tls-cert" if is_mismatch else "no such key, or no certificate in --tls-cert"
        raise _wrong_file(given["tls-key"], "tls-key", reason) from None


def _wrong_file(given: _Given, name: str, reason: str) -> WrongOptionError:
    return WrongOptionError(f"{given.place}: {given.value} given: {reason}; allowed: {_BY_NAME[name].allowed}")
