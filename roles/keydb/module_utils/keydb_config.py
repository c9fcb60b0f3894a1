# SPDX-License-Identifier: MIT
"""What the role's modules share: a server's configuration file, and what the running server says of itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.keydb_node import redis

SECRET = {"masterauth", "primaryauth", "requirepass", "tls-key-file-pass", "tls-client-key-file-pass"}
# Nothing to compare: structure of the file itself, and links, whose state is proved by their being up.
STRUCTURE = {"include", "replicaof", "slaveof", "loadmodule", "user"}
# What "A" of notify-keyspace-events stands for.
ALL_EVENTS = "g$lshzxetd"
UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}

Reader = Callable[[str], str]


def directives(path: Path, read: Reader) -> dict[str, list[str]]:
    """The directives of a file and its includes: name to the list of values given, in order."""
    found: dict[str, list[str]] = {}
    for line in read(str(path)).splitlines():
        words = shlex.split(line, comments=False) if line.strip() and not line.lstrip().startswith("#") else []
        if not words:
            continue
        name = words[0].lower()
        if name == "include":
            for included, values in directives(Path(words[1]), read).items():
                found.setdefault(included, []).extend(values)
        else:
            found.setdefault(name, []).append(" ".join(words[1:]))
    return found


def size(text: str) -> str:
    """Bytes of a size as the servers write it (64mb), or the text itself when it is none."""
    match = re.fullmatch(r"(\d+)([a-z]{0,2})", text.lower())
    if not match or match.group(2) not in UNITS:
        return text
    return str(int(match.group(1)) * UNITS[match.group(2)])


def canonical(name: str, values: list[str]) -> Any:
    """A value that compares equal however the file or the server happens to write it."""
    if name == "notify-keyspace-events":
        letters = frozenset(values[-1].replace("A", ALL_EVENTS))
        # Redis leaves "n" out of its answer once all the classes are there.
        return letters - {"n"} if letters.issuperset(ALL_EVENTS) else letters
    if name == "client-output-buffer-limit":
        words = " ".join(values).split()
        classes = {"slave": "replica"}
        return {
            classes.get(words[i], words[i]): [size(w) for w in words[i + 1 : i + 4]] for i in range(0, len(words), 4)
        }
    if name in ("save", "bind"):
        return " ".join(values).split()
    if name in ("dir", "aclfile"):
        # Whatever links it went by.
        return str(Path(values[-1]).resolve())
    return size(values[-1].strip())


def same(name: str, filed: list[str], live: str) -> bool:
    """Whether the server's answer is what the file says; buffer classes that the file leaves out are not compared."""
    wanted, found = canonical(name, filed), canonical(name, [live])
    if isinstance(wanted, dict):
        return all(found.get(key) == value for key, value in wanted.items())
    return bool(wanted == found)


def compare(filed: dict[str, list[str]], get: Callable[[str], dict[str, str]]) -> tuple[int, list[str], list[str]]:
    """Number of directives compared, those that the server has no answer for, and the differences as sentences."""
    compared, unknown, different = 0, [], []
    for name, values in sorted(filed.items()):
        if name in STRUCTURE:
            continue
        live = get(name)
        if name not in live:
            unknown.append(name)
            continue
        compared += 1
        if not same(name, values, live[name]):
            shown = "(secret)" if name in SECRET else f"file says {' '.join(values)!r}, server says {live[name]!r}"
            different.append(f"{name}: {shown}")
    return compared, unknown, different


def answers(client: redis.Redis, pattern: str) -> dict[str, str]:
    """Directives to what CONFIG GET says of them."""
    return {str(name): str(value) for name, value in client.config_get(pattern).items()}


def compare_live(client: redis.Redis, file: str) -> tuple[int, list[str], list[str]]:
    """What ``compare`` says of a file and a running server. Raises redis.RedisError and OSError."""
    # KeyDB tells its threads in INFO only.
    threads = str(client.info().get("server_threads", ""))
    told = answers(client, "*") | ({"server-threads": threads} if threads else {})

    def get(name: str) -> dict[str, str]:
        return told if name in told else answers(client, name)

    return compare(directives(Path(file), lambda path: Path(path).read_text(encoding="utf-8")), get)
