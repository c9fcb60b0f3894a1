"""What the controller and the timers ask of this host: a command and its arguments as JSON, the answer as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from keydb_faults.armed import undo
from keydb_faults.collecting import collect
from keydb_faults.doing import await_observers, await_whole, do
from keydb_faults.ending import end, forget
from keydb_faults.host import Host
from keydb_faults.journal import following
from keydb_faults.kinds import KINDS
from keydb_faults.kinds.kind import Part


def _check(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Why this host cannot have which kinds; those that it can have are not there."""
    return {"not_possible": {name: why for name, kind in KINDS.items() if (why := kind.why_not(host))}}


def _follow(host: Host, _given: Mapping[str, Any]) -> NoReturn:
    command = following([host.service, *host.observers])
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def _do(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    parts = [Part(host.name, part["kind"], part["given"]) for part in given["parts"]]
    return do(host, KINDS, parts, given["hold_s"])


COMMANDS: dict[str, Callable[[Host, Mapping[str, Any]], dict[str, Any]]] = {
    "check": _check,
    "do": _do,
    "await": lambda host, given: await_whole(host, given["within_s"]),
    "await_observers": lambda host, given: await_observers(host, given["within_s"]),
    "boot": lambda host, _: host.boot(),
    "undo": lambda host, _: {"problems": undo(host, KINDS)},
    "collect": lambda host, given: collect(host, given["since_ns"]),
    "follow": _follow,
    "forget": lambda host, _: forget(host),
    "end": lambda host, given: end(host, KINDS, forgets=given.get("forgets", True)),
}


def main(words: Sequence[str]) -> int:
    """Run one command, and print its answer; 1 if it left a problem, for the journal of a timer's unit."""
    given = json.loads(words[1]) if words[1:] else {}
    answer = COMMANDS[words[0]](Host.here(), given)
    print(json.dumps(answer), flush=True)
    return 1 if answer.get("problems") else 0
