"""Let the faults of a schedule happen, one after the other, over the connections that Ansible has to the hosts.

It is one task for the whole schedule, however long, so that a run grows no slower and no larger with it. The task runs
on all hosts at the same time, in a worker each. The first host's worker leads: it draws the faults and gives orders;
each of the others carries orders to its own host and brings answers back.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812 - as everywhere in Ansible
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# Ansible loads an action plugin by its path, so the role's own modules are found only after this (hence noqa: E402).
_ROLE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_ROLE / "plugin_utils"), str(_ROLE / "files" / "keydb-faults")]

from faults_leading import GivenUpError, Leader, LostError, Remote, Settings  # noqa: E402
from faults_line import Line, join, meet  # noqa: E402
from keydb_faults.cluster import Cluster  # noqa: E402
from keydb_faults.kinds import KINDS, chosen  # noqa: E402

_PROGRAM = "/usr/local/libexec/keydb-faults"
_GRACE_S = 30.0


class ActionModule(ActionBase):  # type: ignore[misc]  # its base carries no types
    """Given ``hosts`` as a run notes them, its ``directory``, a ``place`` to meet at, and what makes ``Settings``."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return, on the host that leads, ``begun_ns``, ``last_undone_ns``, ``done`` by kind, and ``failed_faults``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        given = self._task.args
        names = list(given["hosts"])
        missing = sorted(set(names) - set(task_vars["ansible_play_hosts"]))
        if missing:
            return result | {"failed": True, "msg": f"not reached: {', '.join(missing)}"}
        if len(names) > C.DEFAULT_FORKS:
            return result | {"failed": True, "msg": f"forks is {C.DEFAULT_FORKS}; {len(names)} hosts need as many"}
        if self._task.check_mode:
            return result | {"skipped": True, "msg": "in check mode nothing is broken"}
        name = task_vars["inventory_hostname"]
        place = Path(given["place"]) / "meeting"
        try:
            if name == names[0]:
                return result | self._lead(name, names, place, given)
            return result | self._follow(join(place, name))
        except (TimeoutError, EOFError) as error:
            return result | {"failed": True, "msg": str(error)}

    def _lead(self, name: str, names: list[str], place: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        lines = meet(place, len(names) - 1)
        remotes: dict[str, Remote] = {other: _Carried(line) for other, line in lines.items()}
        remotes[name] = _Own(self)
        parent = os.getppid()
        problem = ""
        try:
            with (Path(given["directory"]) / "faults.jsonl").open("a", encoding="utf-8") as log:
                leader = Leader(
                    # In the inventory's order, whoever came first.
                    remotes={other: remotes[other] for other in names},
                    cluster=Cluster.of(given["hosts"]),
                    kinds=chosen(given["only"]),
                    all_kinds=KINDS,
                    settings=Settings(**given["settings"]),
                    log=log,
                    say=Display().display,
                    must_stop=lambda: os.getppid() != parent,
                )
                try:
                    leader.run()
                except GivenUpError as error:
                    problem = str(error)
            for line in lines.values():
                line.send({"command": "", "given": {}})
        finally:
            for line in lines.values():
                line.close()
        times = {"begun_ns": leader.begun_ns, "last_undone_ns": leader.last_undone_ns}
        told = {"changed": True, **times, "done": leader.done, "failed_faults": leader.failed}
        return told | ({"failed": True, "msg": problem} if problem else {})

    def _follow(self, line: Line) -> dict[str, Any]:
        """Carry orders until there are no more."""
        while order := line.receive():
            if not order["command"]:
                break
            try:
                line.send(self.ask(order["command"], order["given"]))
            except LostError as error:
                line.send({"lost": str(error)})
        return {"changed": True}

    def ask(self, command: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What this worker's host answers; raises LostError."""
        try:
            if command == "reset":
                self._connection.reset()
                return {}
            words = ["python3", "-B", _PROGRAM, command, json.dumps(given)]
            told = self._low_level_execute_command(shlex.join(words))
        except AnsibleConnectionFailure as error:
            raise LostError(" ".join(str(error.message).split())) from None
        try:
            # Shells may say something before, and sshd after.
            answer: dict[str, Any] = json.loads(told["stdout"].strip().splitlines()[-1])
        except (IndexError, ValueError):
            said = " ".join((told["stderr"] or told["stdout"]).split())
            raise LostError(f"{command} ended with {told['rc']}: {said[-300:]}") from None
        return answer


class _Own:
    """The host of the worker that leads: asked when its answer is wanted, while the others are at work already."""

    def __init__(self, action: ActionModule) -> None:
        self._action = action
        self._order: tuple[str, Mapping[str, Any]] = ("reset", {})

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:  # noqa: ARG002
        self._order = command, given

    def finish(self) -> dict[str, Any]:
        return self._action.ask(*self._order)


class _Carried:
    """A host of another worker."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._within_s = 0.0

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:
        self._within_s = within_s + _GRACE_S
        try:
            self._line.send({"command": command, "given": dict(given)})
        except EOFError as error:
            raise GivenUpError(f"a worker is gone: {error}") from None

    def finish(self) -> dict[str, Any]:
        try:
            answer = self._line.receive(self._within_s)
        except (EOFError, TimeoutError) as error:
            # Its answer, should it still come, would be taken for that to another order.
            raise GivenUpError(f"a worker is gone: {error}") from None
        if "lost" in answer:
            raise LostError(answer["lost"])
        return answer
