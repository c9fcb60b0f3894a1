"""The options of ``load``."""

from __future__ import annotations

import os
from pathlib import Path

from keydb_observer.load_settings import WriteTo
from keydb_observer.messages import HANDSHAKE_PREFIX, REPORT_PREFIX
from keydb_observer.options import Option, RefusedError, flag, number, whole
from keydb_observer.output import STANDARD_OUTPUT

_MOST_KEYS = 1_000_000
_LARGEST = 1 << 20
_MOST_REPLICAS = 1000
_LONGEST_PREFIX = 500


def _write_to(given: object) -> WriteTo:
    try:
        return WriteTo(given)
    except ValueError:
        raise RefusedError from None


def _prefix(given: object) -> str:
    if not isinstance(given, str):
        raise RefusedError("it is not a string")
    if not 1 <= len(given) <= _LONGEST_PREFIX or not given.isprintable() or " " in given:
        raise RefusedError
    for theirs in (HANDSHAKE_PREFIX, REPORT_PREFIX):
        if given.startswith(theirs):
            raise RefusedError("such keys are the listeners'")
    return given


def _output(given: object) -> Path:
    """Judged before any load is made: hours of it would be for nothing if the result could not be kept."""
    if not isinstance(given, str) or not given or "\0" in given:
        raise RefusedError("it is not a path")
    path = Path(given)
    if path == STANDARD_OUTPUT:
        return path
    try:
        if path.is_dir():
            raise RefusedError("it is a directory")
        if not path.parent.is_dir():
            raise RefusedError("there is no such directory")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise RefusedError("it cannot be written")
    except OSError as error:
        raise RefusedError(error.strerror) from None
    return path


LOAD_OPTIONS: tuple[Option, ...] = (
    Option(
        "rate",
        number(0.1, 1e6),
        "a number of writes per second from 0.1 to 1000000",
        "writes per second, over all writers and keys together (default 1000); for storm, operations per second "
        "(default 60)",
        "RATE",
        commands=("load", "storm"),
    ),
    Option(
        "keys",
        whole(1, _MOST_KEYS),
        f"a whole number from 1 to {_MOST_KEYS}",
        "how many keys to write to in turn (default 100); for storm, plain ones and durable ones (default 100000 each)",
        "NUMBER",
        commands=("load", "storm"),
    ),
    Option(
        "size",
        whole(0, _LARGEST),
        f"a whole number of bytes from 0 to {_LARGEST}",
        "pad each value to this many bytes; none is shorter than what it has to say, some 100 (default 0)",
        "BYTES",
        commands=("load",),
    ),
    Option(
        "duration",
        number(0.001, 604_800),
        "a number of seconds from 0.001 to 604800",
        "how long to write for (default 10, for storm until it is stopped); what a stall held up load still sends "
        "within 10 seconds after that",
        "SECONDS",
        commands=("load", "storm"),
    ),
    Option(
        "writers",
        _write_to,
        "one or all",
        "one writer at the node that writes go to, or one at all of the nodes, each with keys of its own (default one)",
        "one|all",
        commands=("load",),
    ),
    Option(
        "durable",
        whole(0, _MOST_REPLICAS),
        f"a whole number of replicas from 0 to {_MOST_REPLICAS}",
        "follow each write by WAIT for this many replicas, for --timeout seconds at most, and count the writes that so "
        "many have confirmed; a writer then waits for one before it sends the next; 0 sends no WAIT (default 0); storm "
        "does so with its durable keys and its deletes (default 1)",
        "REPLICAS",
        commands=("load", "storm"),
    ),
    Option(
        "prefix",
        _prefix,
        f"1 to {_LONGEST_PREFIX} printable characters without spaces, not beginning with {HANDSHAKE_PREFIX} or "
        f"{REPORT_PREFIX}",
        "what the names of the keys begin with, before their numbers from 0 on (default load:)",
        "PREFIX",
        commands=("load",),
    ),
    Option(
        "output",
        _output,
        "a file that can be written, or - for standard output",
        "write the result as JSON to this file, or - for standard output (default: none)",
        "FILE",
        commands=("load", "audit", "states"),
    ),
    Option(
        "progress",
        flag,
        "true or false",
        "show a progress bar on standard error (default: when that is a terminal)",
        commands=("load", "audit"),
        is_flag=True,
    ),
)
