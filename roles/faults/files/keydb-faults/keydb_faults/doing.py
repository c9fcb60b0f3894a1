"""One fault on this host from its beginning to its end, and waiting for what comes after it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from keydb_faults.armed import END, InForce, arm, locked, undo
from keydb_faults.host import CommandError, Host
from keydb_faults.journal import kept, says_what_it_is_for
from keydb_faults.kinds.kind import Kind, NotPossibleError, Part

DONE = "done"
_LOOK_S = 0.2
_LOOK_AT_JOURNAL_S = 1.0
_WHOLE_SAMPLES = 3
_TAIL = 4096
_INTERRUPTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def not_possible(why: str) -> str:
    """The outcome of a fault that this host cannot have."""
    return f"not possible here: {why}"


def do(host: Host, kinds: Mapping[str, Kind], parts: Sequence[Part], hold_s: float) -> dict[str, Any]:
    """Inject, hold for so many seconds, and undo. Returns ``outcome``, and ``begun_ns`` and ``undone_ns`` (Unix time).

    Whatever stands in the way after the first change is undone at once. A reboot ends this, too.
    """
    for number in _INTERRUPTS:
        signal.signal(number, _interrupted)
    left_over = undo(host, kinds)
    try:
        for part in parts:
            why = kinds[part.kind].why_not(host)
            if why:
                return {"outcome": not_possible(why)}
        faults = [InForce(part.kind, part.given, kinds[part.kind].prepare(host, part.given)) for part in parts]
    except (NotPossibleError, CommandError) as error:
        return {"outcome": not_possible(str(error))}
    # A fault may step the clock.
    begun_ns, begun = time.time_ns(), time.monotonic_ns()
    outcome, how = DONE, list[str]()
    try:
        with locked(host):
            arm(host, faults)
        how = [kinds[fault.kind].inject(host, fault.given, fault.kept) for fault in faults]
        time.sleep(hold_s)
    except NotPossibleError as error:
        outcome = not_possible(str(error))
    except (CommandError, OSError) as error:
        outcome = f"failed: {error}"
    finally:
        _ignore_interrupts()
        left_over += undo(host, kinds)
    result: dict[str, Any] = {"outcome": outcome, "begun_ns": begun_ns, "how": [word for word in how if word]}
    if left_over:
        result["outcome"] = f"failed: {'; '.join(left_over)}"
    return {**result, "undone_ns": begun_ns + time.monotonic_ns() - begun}


def _ignore_interrupts() -> None:
    """Who hangs up does so more than once: the terminal does it, and sudo. It is for the commands that undo, too."""
    for number in _INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)


def _interrupted(number: int, _frame: object) -> NoReturn:
    _ignore_interrupts()
    raise SystemExit(128 + number)


def await_whole(host: Host, within_s: float) -> dict[str, Any]:
    """Wait until this host's node serves and has all its links, as the storm's samples have it.

    Returns ``whole`` and ``waited_s``, and with neither a sample nor a link what was seen last as ``last``.
    """
    # The run goes on: nobody has to clean up after it yet.
    host.tried("systemctl", "restart", f"{END}.timer")
    began, began_ns = time.monotonic(), time.time_ns()
    last: dict[str, Any] = {}
    in_a_row, seen_ns = 0, 0
    while True:
        sample = last_sample(host)
        if sample and sample["at_ns"] > max(seen_ns, began_ns):
            seen_ns, last = sample["at_ns"], sample
            in_a_row = in_a_row + 1 if _is_whole(sample) else 0
        waited_s = round(time.monotonic() - began, 2)
        if in_a_row >= _WHOLE_SAMPLES or waited_s >= within_s:
            return {"whole": in_a_row >= _WHOLE_SAMPLES, "waited_s": waited_s, "last": last}
        time.sleep(_LOOK_S)


def await_observers(host: Host, within_s: float) -> dict[str, Any]:
    """Wait until each observer of this host, as it runs now, has done what it is for. Returns those ``lacking``.

    What a listener finds when it begins may be of a writer of before.
    """
    runs = {host.property(unit, "InvocationID"): unit for unit in host.observers}
    deadline = time.monotonic() + within_s
    while True:
        at_work = {entry.get("_SYSTEMD_INVOCATION_ID") for entry in kept(host.journal, 0) if says_what_it_is_for(entry)}
        lacking = sorted(unit for run, unit in runs.items() if run not in at_work)
        if not lacking or time.monotonic() > deadline:
            return {"lacking": lacking}
        time.sleep(_LOOK_AT_JOURNAL_S)


def last_sample(host: Host) -> dict[str, Any] | None:
    """The last whole line of the samples; None without one."""
    try:
        with host.samples.open("rb") as file:
            file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            sample: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "at_ns" in sample:
            return sample
    return None


def _is_whole(sample: Mapping[str, Any]) -> bool:
    is_serving = sample.get("up") and not sample.get("loading")
    return bool(is_serving and sample.get("links_up", 0) >= sample.get("links", 0))
