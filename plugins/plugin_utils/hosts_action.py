"""A task in which one host's worker leads all others, over the connections that Ansible has to the hosts.

It is one task for a whole run, however long, so that a run grows no slower and no larger with it. The task runs on all
hosts at the same time, in a worker each. The first host's worker leads and gives orders; each of the others carries
orders to its own host and brings answers back.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812 - as everywhere in Ansible
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from hosts_line import Line, join, meet
from hosts_told import GivenUpError, LostError, Remote

_GRACE_S = 30.0


class HostsAction(ActionBase):  # type: ignore[misc]  # its base carries no types
    """Given ``hosts``, by name, and a ``place`` to meet at. ``program`` is the words that begin a host's command."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    program: tuple[str, ...] = ()

    def lead(self, remotes: Mapping[str, Remote], must_stop: Callable[[], bool]) -> dict[str, Any]:
        """Lead the run. Returns the task's result; ``must_stop`` is whether the playbook is gone."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return, on the host that leads, what ``lead`` returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        names = list(self._task.args["hosts"])
        missing = sorted(set(names) - set(task_vars["ansible_play_hosts"]))
        if missing:
            return result | {"failed": True, "msg": f"not reached: {', '.join(missing)}"}
        if len(names) > C.DEFAULT_FORKS:
            return result | {"failed": True, "msg": f"forks is {C.DEFAULT_FORKS}; {len(names)} hosts need as many"}
        if self._task.check_mode:
            return result | {"skipped": True, "msg": "in check mode nothing is done to a host"}
        name = task_vars["inventory_hostname"]
        place = Path(self._task.args["place"]) / "meeting"
        try:
            if name == names[0]:
                return result | self._meet_and_lead(name, names, place)
            return result | self._follow(join(place, name))
        except (TimeoutError, EOFError) as error:
            return result | {"failed": True, "msg": str(error)}

    def _meet_and_lead(self, name: str, names: list[str], place: Path) -> dict[str, Any]:
        lines = meet(place, len(names) - 1)
        remotes: dict[str, Remote] = {other: _Carried(line) for other, line in lines.items()}
        remotes[name] = _Own(self)
        parent = os.getppid()
        try:
            # In the inventory's order, whoever came first.
            told = self.lead({other: remotes[other] for other in names}, lambda: os.getppid() != parent)
            for line in lines.values():
                line.send({"command": "", "given": {}})
        finally:
            for line in lines.values():
                line.close()
        return told

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
            told = self._low_level_execute_command(shlex.join([*self.program, command, json.dumps(given)]))
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

    def __init__(self, action: HostsAction) -> None:
        self._action = action
        self._order: tuple[str, Mapping[str, Any]] = ("reset", {})

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:  # noqa: ARG002 - as the base has it
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
