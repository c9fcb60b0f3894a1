"""Histories and states made up for the tests of the judge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keydb_observer.history import Do, Operation, Outcome
from keydb_observer.json_lines import encode
from keydb_observer.judge_keys import Keys
from keydb_observer.states import KeyState, KeyStates

BEGUN = 1_795_433_613_000_000_000
S = 1_000_000_000
NODES = ("a", "b", "c")
ACK, FAILED, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.FAILED, Outcome.UNKNOWN


def did(
    op: int,
    key: str,
    outcome: Outcome = ACK,
    do: Do = Do.SET,
    *,
    host: str = "a",
    durable: int = 0,
    expires_ms: int = 0,
) -> Operation:
    """An operation of second ``op``, which took 10 ms."""
    value = "" if do in (Do.INCR, Do.DEL) else f"{host}/{op}"
    at_ns = BEGUN + op * S
    return Operation(op, do, key, value, durable, at_ns, at_ns + S // 100, outcome, "", expires_ms)


def held(key: str, *values: str | None, kind: str = "string") -> KeyStates:
    """What each node holds: one value for all, or one for each; None for nothing."""
    each = values * len(NODES) if len(values) == 1 else values
    states = [KeyState("none") if value is None else KeyState(kind, value) for value in each]
    return KeyStates(key, dict(zip(NODES, states, strict=True)))


def keys_of(operations: Iterable[Operation], *states: KeyStates, host: str = "a") -> Keys:
    # So that there is something of every node.
    return Keys({host: list(operations)}, [*states, held("storm:a:plain:999", None)])


def write_lines(path: Path, lines: Iterable[object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(encode(line) + b"\n" for line in lines))


def sample(second: float, up: bool = True, links_up: int = 2, loading: bool = False) -> dict[str, Any]:
    at_ns = BEGUN + int(second * S)
    if not up:
        return {"at_ns": at_ns, "up": False, "why": "refused"}
    return {"at_ns": at_ns, "up": True, "loading": loading, "links_up": links_up, "links": 2}


def facts(**changes: Any) -> dict[str, Any]:
    roles = {"a": ["keydb", "writer"], "b": ["keydb", "listener-sync"], "c": ["keydb", "listener-async"]}
    return {
        "version": 1,
        "seed": 7,
        "inventory": "lab",
        "engine": "keydb",
        "engine_version": "6.3.4",
        "settings": {"faults_count": 1},
        "hosts": {name: {"address": f"10.77.0.1{place}", "roles": roles[name]} for place, name in enumerate(NODES)},
        "begun_ns": BEGUN,
        "last_undone_ns": BEGUN + 13 * S,
        "quiet_ns": BEGUN + 100 * S,
        **changes,
    }


def fault(begun: float = 10, undone: float = 13, kind: str = "kill", host: str = "b", **changes: Any) -> dict[str, Any]:
    """Times in seconds from the beginning."""
    return {
        "number": 1,
        "kind": kind,
        "hosts": [host],
        "parameters": {"hold_s": 3},
        "begun_ns": BEGUN + int(begun * S),
        "undone_ns": BEGUN + int(undone * S),
        "expected_down": [host],
        "outcome": "done",
        **changes,
    }


def good_run(directory: Path) -> Path:
    """A run of 100 s in which node b was killed once and all went well."""
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps(facts()))
    write_lines(
        directory / "faults.jsonl",
        [fault(), fault(number=2, kind="netem", outcome="not possible here: no such module", undone_ns=None)],
    )
    states = []
    for host in NODES:
        operations = [
            did(op, f"storm:{host}:{'durable' if op % 2 else 'plain'}:{op}", host=host, durable=op % 2)
            for op in range(1, 60)
        ]
        write_lines(directory / "history" / f"{host}.jsonl", operations)
        states += [held(operation.key, operation.value) for operation in operations]
        down = (10, 14.5) if host == "b" else (0, 0)
        seconds = [tick / 5 for tick in range(500)]
        write_lines(
            directory / "samples" / f"{host}.jsonl",
            [sample(second, up=not down[0] <= second < down[1]) for second in seconds],
        )
        write_lines(directory / "services" / f"{host}.jsonl", [])
    unit = "keydb-server.service"
    write_lines(
        directory / "services" / "b.jsonl",
        [
            {"at_ns": BEGUN + 10 * S, "unit": unit, "what": "died", "detail": "status=9/KILL"},
            {"at_ns": BEGUN + 14 * S, "unit": unit, "what": "started", "detail": ""},
        ],
    )
    write_lines(directory / "states.jsonl", states)
    accounts: Mapping[str, Any] = {
        "a": {"writers": [{"epoch": 1, "written": 95}], "listeners": []},
        "b": {"writers": [], "listeners": [{"listener": "listener-sync", "read": 90, "superseded": 1, "missed": 4}]},
        "c": {"writers": [], "listeners": [{"listener": "listener-async", "read": 95, "superseded": 0, "missed": 0}]},
    }
    (directory / "accounts").mkdir()
    for host, account in accounts.items():
        (directory / "accounts" / f"{host}.json").write_text(json.dumps(account))
    for host, name in (("b", "sync"), ("c", "async")):
        reads = [
            {"at_ns": BEGUN + seq * S, "listener": f"listener-{name}", "epoch": 1, "seq": seq}
            for seq in range(1, 96)
            if host == "c" or not 10 <= seq < 15
        ]
        write_lines(directory / "reads" / f"{host}.jsonl", reads)
    return directory
