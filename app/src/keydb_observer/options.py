"""The options: their names, what they mean, and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keydb_observer.connection import read_password
from keydb_observer.inbox import is_pattern
from keydb_observer.messages import HANDSHAKE_PREFIX, NAME_ALLOWED, NAME_PATTERN, REPORT_PREFIX, Mode
from keydb_observer.nodes import Node

ENVIRONMENT_PREFIX = "KEYDB_OBSERVER_"
DEFAULT_NODE = "127.0.0.1:6379"

_ADDRESS_ALLOWED = "HOST:PORT or NAME=HOST:PORT, port 1 to 65535, IPv6 as [ADDRESS]:PORT"
_LONGEST_KEY = 512


class RefusedError(ValueError):
    """A value is not allowed, for the reason in the text (which may be empty)."""


@dataclass(frozen=True)
class Option:
    """``name`` is as on the command line, without dashes in front. ``commands`` is empty when every command has it."""

    name: str
    parse: Callable[[object], Any]
    allowed: str
    help: str
    metavar: str = ""
    commands: tuple[str, ...] = ()
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
        raise RefusedError("it is not a string")
    return given


def flag(given: object) -> bool:
    """A parser of true or false."""
    if isinstance(given, bool):
        return given
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return words[_text(given).lower()]
    except KeyError:
        raise RefusedError from None


def number(least: float, most: float) -> Callable[[object], float]:
    """A parser of numbers in this range."""

    def parse(given: object) -> float:
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise RefusedError("it is not a number")
        try:
            found = float(given)
        except ValueError:
            raise RefusedError("it is not a number") from None
        if not math.isfinite(found) or not least <= found <= most:
            raise RefusedError("it is out of range")
        return found

    return parse


def whole(least: int, most: int) -> Callable[[object], int]:
    """A parser of whole numbers in this range."""
    parse_number = number(least, most)

    def parse(given: object) -> int:
        found = parse_number(given)
        if not found.is_integer():
            raise RefusedError("it is not a whole number")
        return int(found)

    return parse


def _node(given: object) -> Node:
    try:
        return Node.parse(_text(given).strip())
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _listed(given: object, what: str) -> list[object]:
    listed = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed:
        raise RefusedError(f"it is not a list of {what}")
    return listed


def _nodes(given: object) -> tuple[Node, ...]:
    nodes = tuple(_node(item) for item in _listed(given, "nodes"))
    for what, seen in (("name", [node.name for node in nodes]), ("address", [node.address for node in nodes])):
        for item in seen:
            if seen.count(item) > 1:
                raise RefusedError(f"the {what} {item} is given twice")
    return nodes


def _name(given: object) -> str:
    if not NAME_PATTERN.fullmatch(_text(given)):
        raise RefusedError
    return _text(given)


def _keys(given: object) -> tuple[str, ...]:
    keys = tuple(_key(item) for item in _listed(given, "keys"))
    for key in keys:
        if keys.count(key) > 1:
            raise RefusedError(f"the key {key} is given twice")
    return keys


def _key(given: object) -> str:
    key = _text(given)
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isprintable() or " " in key:
        raise RefusedError
    if key.startswith((HANDSHAKE_PREFIX, REPORT_PREFIX)):
        raise RefusedError("such keys are the listeners' answers")
    if is_pattern(key) and key.startswith(("*", "?", "[")):
        raise RefusedError("it would match the listeners' answers; begin it with what the keys begin with")
    return key


def _address(given: object) -> tuple[str, int]:
    node = _node(given)
    if node.name != node.address:
        raise RefusedError("it has a name")
    return node.host, node.port


def _username(given: object) -> str:
    username = _text(given)
    if not username or not username.isprintable() or " " in username:
        raise RefusedError
    return username


def _mode(given: object) -> Mode:
    try:
        return Mode(_text(given))
    except ValueError:
        raise RefusedError from None


def _readable_file(given: object) -> Path:
    path = Path(_text(given))
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        raise RefusedError(getattr(error, "strerror", None) or str(error)) from None


def _password_file(given: object) -> Path:
    path = _readable_file(given)
    try:
        read_password(path)
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8") from None
    except ValueError as error:
        raise RefusedError(str(error)) from None
    return path


OPTIONS: tuple[Option, ...] = (
    Option(
        "node",
        _nodes,
        f"{_ADDRESS_ALLOWED}; each name and address once",
        f"a server, and the name it has in tables; repeat for more. The first one is read from and subscribed to; a "
        f"listener goes to the next ones while it is away, and comes back; status asks all (default {DEFAULT_NODE})",
        "[NAME=]HOST:PORT",
        is_repeatable=True,
    ),
    Option(
        "write-node",
        _node,
        _ADDRESS_ALLOWED,
        "the server that writes go to, if a --node is a read-only replica (default: the --node that is read from)",
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
        flag,
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
        _keys,
        f"keys of 1 to {_LONGEST_KEY} printable characters without spaces, not beginning with {HANDSHAKE_PREFIX}, "
        f"{REPORT_PREFIX} or a wildcard; each once",
        "a key, in database 0, that the writer writes and the listeners watch (default shared_key); for listen, repeat "
        "for more, or give a glob-style pattern such as 'load:*'",
        "KEY",
        is_repeatable=True,
    ),
    Option("name", _name, NAME_ALLOWED, "what this host is called in values and handshakes (default: its host name)"),
    Option(
        "timeout",
        number(0.1, 600),
        "a number of seconds from 0.1 to 600",
        "seconds after which a server that does not answer counts as lost; a subscription that has been silent for as "
        "long is tested by a PING, so that a dead one is noticed within twice this time (default 3)",
        "SECONDS",
    ),
    Option(
        "interval",
        number(0.001, 86400),
        "a number of seconds from 0.001 to 86400",
        "seconds from one write to the next (default 10); for top, from one look to the next, 0.1 or more, from "
        "the command line only (default 1)",
        "SECONDS",
        commands=("write", "top"),
    ),
    Option(
        "lines-up-to",
        number(0, 1e6),
        "a number of events per second from 0 to 1000000",
        "log a line for each event up to this many per second; above it, one summary line a second (default 10)",
        "RATE",
        commands=("write", "listen"),
    ),
    Option(
        "metrics",
        _address,
        "HOST:PORT, port 1 to 65535, IPv6 as [ADDRESS]:PORT",
        "serve figures to Prometheus at this address (default: nowhere)",
        "HOST:PORT",
        commands=("write", "listen"),
    ),
    Option(
        "mode",
        _mode,
        "sync or async",
        "which kind of listener: a blocking loop (sync) or asyncio (async)",
        "sync|async",
        commands=("listen",),
    ),
    Option(
        "json",
        flag,
        "true or false",
        "print JSON instead of a table",
        commands=("status",),
        is_flag=True,
    ),
    Option(
        "once",
        flag,
        "true or false",
        "print one plain frame after two looks, and exit (default: when input or output is no terminal)",
        commands=("top",),
        is_flag=True,
    ),
)
