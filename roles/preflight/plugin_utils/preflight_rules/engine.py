"""The engine's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .model import Inventory
from .problem import Problem, shown

# Of notify-keyspace-events. KeyDB took its letters from Redis 6; "n", for new keys, came later.
EVENT_LETTERS: Mapping[str, str] = {
    "keydb": "KEg$lshzxetdmA",
    "valkey": "KEg$lshzxetdmnA",
    "redis": "KEg$lshzxetdmnA",
}
_SAVE = re.compile(r"[1-9][0-9]* [1-9][0-9]*")
_DIRECTORY = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?")
_DIRECTIVE = re.compile(r"[a-z][a-z0-9-]*")

# What to set instead of the directive; "" where the role alone decides.
OWNED_DIRECTIVES: Mapping[str, str] = {
    "port": "",
    "tls-port": "keydb_port",
    "bind": "cluster_network_address",
    "protected-mode": "",
    "unixsocket": "",
    "tls-cert-file": "",
    "tls-key-file": "",
    "tls-ca-cert-file": "",
    "tls-ca-cert-dir": "",
    "tls-auth-clients": "",
    "tls-replication": "",
    "tls-cluster": "",
    "tls-protocols": "",
    "aclfile": "",
    "user": "keydb_passwords",
    "requirepass": "keydb_passwords",
    "masteruser": "",
    "masterauth": "keydb_passwords",
    "acl-pubsub-default": "",
    "replicaof": "keydb_primary",
    "slaveof": "keydb_primary",
    "active-replica": "",
    "multi-master": "",
    "multi-master-no-forward": "",
    "replica-read-only": "",
    "server-threads": "keydb_server_threads",
    "io-threads": "keydb_server_threads",
    "notify-keyspace-events": "keydb_notify_events_extra",
    "maxmemory": "keydb_maxmemory_mb",
    "maxmemory-policy": "keydb_maxmemory_policy",
    "maxclients": "keydb_maxclients",
    "appendonly": "keydb_appendonly",
    "appendfsync": "keydb_appendfsync",
    "save": "keydb_save",
    "repl-backlog-size": "keydb_repl_backlog_mb",
    "repl-timeout": "keydb_repl_timeout",
    "repl-ping-replica-period": "keydb_repl_timeout",
    "client-output-buffer-limit": "keydb_replica_output_buffer_mb or keydb_pubsub_output_buffer_mb",
    "dir": "keydb_data_dir",
    "daemonize": "",
    "supervised": "",
    "pidfile": "",
    "logfile": "",
    "include": "",
    "loadmodule": "",
    "ignore-warnings": "hardware_ignore_cow_bug",
    "rename-command": "",
}


def template_directives(template: Path) -> frozenset[str]:
    """Return the directives that a configuration template starts lines with; none if there is no such file."""
    if not template.is_file():
        return frozenset()
    return frozenset(re.findall(r"^([a-z][a-z0-9-]+)(?= )", template.read_text(encoding="utf-8"), re.MULTILINE))


def notify_problems(inventory: Inventory) -> Iterator[Problem]:
    """Notification letters are ones that the engine knows."""
    name = "keydb_notify_events_extra"
    for host, value in inventory.values(name):
        letters = EVENT_LETTERS.get(str(inventory.get(host, "keydb_engine")), EVENT_LETTERS["keydb"])
        unknown = [letter for letter in str(value) if letter not in letters]
        if unknown:
            problem = f"has letters that no event class has: {' '.join(unknown)}"
            yield Problem(name, host, shown(value), f"letters of {letters}", problem)


def save_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each line of keydb_save is two numbers."""
    for host, lines in inventory.values("keydb_save"):
        for index, line in enumerate(lines):
            if not _SAVE.fullmatch(str(line)):
                allowed = '"<seconds> <changes>", such as "900 1"'
                yield Problem(f"keydb_save[{index}]", host, shown(line), allowed, "is not a line that save takes")


def extra_config_problems(inventory: Inventory) -> Iterator[Problem]:
    """keydb_extra_config has directives with plain values, and none that the role writes itself."""
    name = "keydb_extra_config"
    for host, directives in inventory.values(name):
        for directive, value in directives.items():
            variable = f"{name}.{directive}"
            if not _DIRECTIVE.fullmatch(str(directive)):
                allowed = "a directive's name: small letters, digits and -"
                yield Problem(variable, host, shown(directive), allowed, "is not a directive's name")
            elif directive in OWNED_DIRECTIVES or directive in inventory.owned_directives:
                instead = OWNED_DIRECTIVES.get(directive, "")
                allowed = f"set {instead} instead" if instead else "any directive that the keydb role does not set"
                # The value may be a password: only the name is shown.
                yield Problem(variable, host, str(directive), allowed, "is set by the keydb role itself")
            else:
                yield from _value_problems(variable, host, value)


def _value_problems(variable: str, host: str, value: object) -> Iterator[Problem]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            yield Problem(variable, host, shown(item), '"yes" or "no", in quotes', "would be written as True or False")
        elif not isinstance(item, (str, int, float)) or "\n" in str(item):
            yield Problem(variable, host, shown(item), "one line of text, a number, or a list of them", "is no value")


def data_dir_problems(inventory: Inventory) -> Iterator[Problem]:
    """The data directory is an absolute path that a configuration line and a unit can hold."""
    for host, path in inventory.values("keydb_data_dir"):
        if not _DIRECTORY.fullmatch(str(path)):
            allowed = "an absolute path below /, of letters, digits and . _ - /"
            yield Problem("keydb_data_dir", host, shown(path), allowed, "is not a directory for data")


RULES = (data_dir_problems, notify_problems, save_problems, extra_config_problems)
