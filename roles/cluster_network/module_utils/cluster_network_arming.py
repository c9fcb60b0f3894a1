# SPDX-License-Identifier: MIT
"""Arms the host to take a change back by itself, and lets it finish taking back an earlier one."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

from ansible.module_utils.cluster_network_change import (
    APPLY,
    PENDING,
    PROGRAM,
    STATE,
    UNDO,
    UNDOING,
    UNITS,
    Change,
    run,
)
from ansible.module_utils.cluster_network_managers import RefusedError

_EARLIER_WITHIN_S = 120
_UNDO_SERVICE = """\
[Unit]
Description=Take back a network change that nobody has confirmed

[Service]
Type=oneshot
ExecStart={python} {program} undo
TimeoutStartSec=5min
"""
_UNDO_TIMER = """\
[Unit]
Description=Take back a network change that nobody has confirmed

[Timer]
OnActiveSec={seconds}s
AccuracySec=100ms

[Install]
WantedBy=timers.target
"""


def await_earlier() -> None:
    """Let the host finish taking back a change that nobody has confirmed, as after an interrupted run.

    Raises:
        RefusedError: It has not finished within two minutes.
    """
    until = time.monotonic() + _EARLIER_WITHIN_S
    while any((STATE / name).exists() for name in (PENDING, UNDOING)):
        if time.monotonic() > until:
            raise RefusedError(
                f"An earlier change of the network is still to be taken back: systemctl status {UNDO}.timer"
            )
        time.sleep(1)


def arm(change: Change, program: str, undo_after: int, must_run: Callable[[list[str]], object]) -> None:
    """Have the change taken back later, then have it made in a moment, when this module has been answered.

    Args:
        change: What to make.
        program: The text of the program that makes it and takes it back.
        undo_after: Seconds until it is taken back.
        must_run: Runs a command, and ends the module if that fails.
    """
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(mode=0o700, parents=True)
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    PROGRAM.write_text(program, encoding="utf-8")
    service = _UNDO_SERVICE.format(python=sys.executable, program=PROGRAM)
    (UNITS / f"{UNDO}.service").write_text(service, encoding="utf-8")
    (UNITS / f"{UNDO}.timer").write_text(_UNDO_TIMER.format(seconds=undo_after), encoding="utf-8")
    (STATE / PENDING).write_text(change.text(), encoding="utf-8")
    # Left over from an earlier change, a timer would not start counting anew. Mostly there is none to be stopped.
    run("systemctl", "stop", f"{UNDO}.timer", f"{APPLY}.timer", f"{APPLY}.service")
    must_run(["systemctl", "daemon-reload"])
    must_run(["systemctl", "enable", "--now", f"{UNDO}.timer"])
    delayed = ["systemd-run", "--quiet", "--collect", f"--unit={APPLY}", "--on-active=1"]
    delayed.append("--timer-property=AccuracySec=100ms")
    must_run([*delayed, sys.executable, str(PROGRAM), "apply"])
