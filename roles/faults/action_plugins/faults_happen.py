"""Let the faults of a schedule happen, one after the other, over the connections that Ansible has to the hosts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

# Ansible loads an action plugin by its path, so modules of ours are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
_SHARED = _ROLE.parents[1] / "plugins" / "plugin_utils"
sys.path[:0] = [str(_ROLE / "plugin_utils"), str(_ROLE / "files" / "keydb-faults"), str(_SHARED)]

from faults_leading import Leader, Settings  # noqa: E402 - it follows the path
from hosts_action import HostsAction  # noqa: E402 - it follows the path
from hosts_told import GivenUpError, Remote  # noqa: E402 - it follows the path
from keydb_faults.cluster import Cluster  # noqa: E402 - it follows the path
from keydb_faults.kinds import KINDS, chosen  # noqa: E402 - it follows the path


class ActionModule(HostsAction):
    """Given ``hosts`` as a run notes them, its ``directory``, a ``place`` to meet at, and what makes ``Settings``."""

    program = ("python3", "-B", "/usr/local/libexec/keydb-faults")

    def lead(self, remotes: Mapping[str, Remote], must_stop: Callable[[], bool]) -> dict[str, Any]:
        """Return ``begun_ns``, ``last_undone_ns``, ``done`` by kind, and ``failed_faults``."""
        given = self._task.args
        problem = ""
        with (Path(given["directory"]) / "faults.jsonl").open("a", encoding="utf-8") as log:
            leader = Leader(
                remotes=remotes,
                cluster=Cluster.of(given["hosts"]),
                kinds=chosen(given["only"]),
                all_kinds=KINDS,
                settings=Settings(**given["settings"]),
                log=log,
                say=Display().display,
                must_stop=must_stop,
            )
            try:
                leader.run()
            except GivenUpError as error:
                problem = str(error)
        times = {"begun_ns": leader.begun_ns, "last_undone_ns": leader.last_undone_ns}
        told = {"changed": True, **times, "done": leader.done, "failed_faults": leader.failed}
        return told | ({"failed": True, "msg": problem} if problem else {})
