"""Measure, over the connections that Ansible has to the hosts, and leave what came of it on the controller."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

# Ansible loads an action plugin by its path, so modules of ours are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
_PROJECT = _ROLE.parents[1]
sys.path[:0] = [str(_ROLE / "plugin_utils"), str(_PROJECT / "plugins" / "plugin_utils"), str(_PROJECT / "app")]

from bench_hosts import Hosts, MeasuringError  # noqa: E402 - it follows the path
from bench_leading import Leader  # noqa: E402 - it follows the path
from bench_plan import Settings  # noqa: E402 - it follows the path
from hosts_action import HostsAction  # noqa: E402 - it follows the path
from hosts_told import GivenUpError, Remote  # noqa: E402 - it follows the path

MEASURED = "measured.json"


class ActionModule(HostsAction):
    """Given ``hosts`` with addresses, what makes ``Settings``, ``mesh``, ``marks``, ``directory``, ``place``."""

    program = ("python3", "-B", "/usr/local/libexec/keydb-bench/run.py")

    def lead(self, remotes: Mapping[str, Remote], must_stop: Callable[[], bool]) -> dict[str, Any]:
        """Write ``measured.json`` into the directory, also of a run that could not go on."""
        given = self._task.args
        leader = Leader(
            Hosts(remotes, given["hosts"]),
            Settings.of(given["settings"]),
            given["mesh"],
            list(given["marks"]),
            Display().display,
            must_stop,
        )
        problem = ""
        try:
            leader.run()
        except (GivenUpError, MeasuringError) as error:
            problem = str(error)
        told = json.dumps(asdict(leader.measured), indent=1) + "\n"
        (Path(given["directory"]) / MEASURED).write_text(told, encoding="utf-8")
        return {"changed": True} | ({"failed": True, "msg": problem} if problem else {})
