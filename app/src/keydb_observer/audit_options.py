"""The options of ``audit`` and ``heal`` that ``load`` has not."""

from __future__ import annotations

import os
from pathlib import Path

from keydb_observer.messages import NAME_ALLOWED, NAME_PATTERN
from keydb_observer.options import Option, RefusedError, flag, number, whole

_LARGEST_BATCH = 10_000
_MOST_LOOKS = 100
_LONGEST_PATTERN = 512
_LOOKING = ("audit", "heal", "states")


def _pattern(given: object) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= _LONGEST_PATTERN or not given.isprintable():
        raise RefusedError
    return given


def _path(given: object) -> Path:
    if not isinstance(given, str) or not given or "\0" in given:
        raise RefusedError("it is not a path")
    return Path(given)


def _new_file(given: object) -> Path:
    """Judged before anything is compared, and never one that is there: it may be what undoes an earlier repair."""
    path = _path(given)
    try:
        if path.exists():
            raise RefusedError("it is there already")
        if not path.parent.is_dir():
            raise RefusedError("there is no such directory")
        if not os.access(path.parent, os.W_OK):
            raise RefusedError("its directory cannot be written to")
    except OSError as error:
        raise RefusedError(error.strerror) from None
    return path


def _readable_file(given: object) -> Path:
    path = _path(given)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise RefusedError("it cannot be read")
    return path


def _directory(given: object) -> Path:
    path = _path(given)
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise RefusedError("it is no directory that can be written to")
    return path


def _node_name(given: object) -> str:
    # A node that was given no name is called by its address.
    if not isinstance(given, str) or not (NAME_PATTERN.fullmatch(given) or ":" in given):
        raise RefusedError
    return given


AUDIT_OPTIONS: tuple[Option, ...] = (
    Option(
        "match",
        _pattern,
        f"a pattern of 1 to {_LONGEST_PATTERN} printable characters",
        "only keys that match this glob-style pattern (default '*')",
        "PATTERN",
        commands=_LOOKING,
    ),
    Option(
        "batch",
        whole(1, _LARGEST_BATCH),
        f"a whole number of keys from 1 to {_LARGEST_BATCH}",
        "how many keys to ask for at a time; fewer hold up the servers for shorter (default 500)",
        "KEYS",
        commands=_LOOKING,
    ),
    Option(
        "settle",
        number(0.05, 3600),
        "a number of seconds from 0.05 to 3600",
        "seconds between two looks at keys that differ (default 2)",
        "SECONDS",
        commands=_LOOKING,
    ),
    Option(
        "looks",
        whole(1, _MOST_LOOKS),
        f"a whole number from 1 to {_MOST_LOOKS}",
        "how often to look at a key that differs before it is given up as busy (default 3)",
        "NUMBER",
        commands=_LOOKING,
    ),
    Option(
        "within",
        number(0.1, 86400),
        "a number of seconds from 0.1 to 86400",
        "scan for so many seconds at most, an equal share of them at each node; what is not reached by then is not "
        "compared (default: to the end)",
        "SECONDS",
        commands=("audit",),
    ),
    Option(
        "repair",
        flag,
        "true or false",
        "make the nodes equal by the rule above, once it is printed what is meant to be done; needs --undo-file",
        commands=("audit",),
        is_flag=True,
    ),
    Option(
        "dry-run",
        flag,
        "true or false",
        "with --repair: only print what is meant to be done",
        commands=("audit",),
        is_flag=True,
    ),
    Option(
        "undo-file",
        _new_file,
        "a file that is not there yet, in a directory that can be written to",
        "keep here, before a key is changed, what every node had under it; readable for its owner only",
        "FILE",
        commands=("audit",),
    ),
    Option(
        "undo",
        _readable_file,
        "a file that --undo-file has made",
        "put back what is in this file, under each key that is still as the repair left it. In a mesh all nodes get "
        "what the node had whose copy the repair changed (the first of them)",
        "FILE",
        commands=("audit",),
    ),
    Option(
        "undo-as",
        _node_name,
        f"the name of a node: {NAME_ALLOWED}",
        "with --undo, in a mesh: all nodes get what this node had",
        "NAME",
        commands=("audit",),
    ),
    Option(
        "state",
        _directory,
        "a directory that can be written to",
        "where to keep what is known from the last time, and the files that undo repairs",
        "DIRECTORY",
        commands=("heal",),
    ),
    Option(
        "keep-days",
        whole(1, 3650),
        "a whole number of days from 1 to 3650",
        "remove files that undo repairs once they are so old (default 30)",
        "DAYS",
        commands=("heal",),
    ),
    Option(
        "share",
        number(0.001, 1),
        "a number from 0.001 to 1",
        "while no node was started and no link came up, spend at most this share of time on comparing (default 0.1)",
        "SHARE",
        commands=("heal",),
    ),
)
