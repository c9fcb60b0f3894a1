"""Leaving a host as if there had been no run, also when nobody comes to ask for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keydb_faults.armed import END, UNDO, undo
from keydb_faults.host import PROGRAM, CommandError, Host, tell
from keydb_faults.kinds.kind import Kind

UNITS = Path("/etc/systemd/system")
DROP_IN = "keydb-faults.conf"
_FORGET_WITHIN_S = 600.0


def forget(host: Host) -> dict[str, Any]:
    """Take the storm's keys off this host's node. Returns how many were ``gone``; raises CommandError."""
    python = Path(host.observer).resolve().parent / "python"
    settings = {
        "address": host.address,
        "port": host.port,
        "password_file": host.password_file,
        "tls_dir": host.observer_tls_dir,
    }
    program = str(Path(__file__).with_name("forget.py"))
    told = host.run(str(python), "-B", program, told=json.dumps(settings), within_s=_FORGET_WITHIN_S)
    gone: dict[str, Any] = json.loads(told)
    return gone


def end(host: Host, kinds: Mapping[str, Kind], *, forgets: bool) -> dict[str, Any]:
    """Undo, stop the storm, give the observers their own settings back, and remove all that was brought.

    ``forgets``: take the storm's keys away as well, as far as the node answers. Returns ``problems`` in words. With a
    fault that could not be undone everything but the storm stays, for the timer to try again.
    """
    problems = undo(host, kinds)
    host.tried("systemctl", "disable", "--now", host.storm_unit, host.journal_unit)
    if problems:
        return {"problems": problems}
    if forgets:
        try:
            forget(host)
        except CommandError as error:
            problems.append(f"the storm's keys are still there: {error}")
            tell(problems[-1])
    changed = [unit for unit in host.observers if (UNITS / f"{unit}.d" / DROP_IN).exists()]
    for unit in changed:
        (UNITS / f"{unit}.d" / DROP_IN).unlink()
        _remove_if_empty(UNITS / f"{unit}.d")
    for unit in (host.storm_unit, host.journal_unit):
        (UNITS / unit).unlink(missing_ok=True)
    # A unit with a user of the moment has its state elsewhere, and a link here.
    shutil.rmtree(Path(host.storm_dir).resolve(), ignore_errors=True)
    Path(host.storm_dir).unlink(missing_ok=True)
    host.tried("systemctl", "daemon-reload")
    if changed:
        host.tried("systemctl", "restart", *changed)
    host.tried("systemctl", "disable", f"{UNDO}.service")
    host.tried("systemctl", "disable", "--now", f"{UNDO}.timer", f"{END}.timer")
    for unit in (UNDO, END):
        for suffix in ("timer", "service"):
            (UNITS / f"{unit}.{suffix}").unlink(missing_ok=True)
    shutil.rmtree(host.state, ignore_errors=True)
    shutil.rmtree(PROGRAM, ignore_errors=True)
    host.tried("systemctl", "daemon-reload")
    return {"problems": problems}


def _remove_if_empty(directory: Path) -> None:
    if not any(directory.iterdir()):
        directory.rmdir()
