"""Change a host's network, come in anew, and confirm; what is not confirmed the host takes back by itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

_PROGRAM = Path(__file__).resolve().parents[1] / "module_utils" / "cluster_network_change.py"
_CONNECT_WITHIN_S = 5
_BETWEEN_LOOKS_S = 1
# The host's way back takes a few seconds, and so does coming in again after it.
_WAY_BACK_S = 60


class ActionModule(ActionBase):  # type: ignore[misc]  # its base carries no types
    """The module ``cluster_network`` begins and confirms; in between lies a connection of its own."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module says, failed if the host did not keep the change."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        begun = self._module("begin", task_vars, program=_PROGRAM.read_text(encoding="utf-8"))
        if begun.get("failed") or not begun.get("changed") or self._task.check_mode:
            return result | begun
        outcome, why = self._outcome(task_vars)
        if outcome == "confirmed":
            return result | begun | {"outcome": outcome}
        taken_back = "has taken the change back" if outcome == "undone" else "takes the change back by itself"
        msg = f"The host {taken_back}: {why}. The journal of keydb-cluster-network-apply on the host tells more."
        return result | begun | {"failed": True, "changed": False, "outcome": outcome, "msg": msg}

    def _outcome(self, task_vars: dict[str, Any]) -> tuple[str, str]:
        """Come in anew until the host says what became of the change; return that and what stood in its way."""
        outcome, why, token = "waiting", "SSH did not come in again", ""
        if self._connection.transport == "ssh":
            self._connection.set_option("timeout", _CONNECT_WITHIN_S)
            self._connection.set_option("reconnection_retries", 0)
        until = time.monotonic() + float(self._task.args.get("undo_after", 40)) + _WAY_BACK_S
        while outcome not in ("confirmed", "undone") and time.monotonic() < until:
            time.sleep(_BETWEEN_LOOKS_S)
            try:
                # Without this the first connection would go on being used, and prove nothing.
                self._connection.reset()
                told = self._module("confirm", task_vars, token=token)
            except AnsibleConnectionFailure as failure:
                why = f"SSH did not come in again ({' '.join(failure.message.split())})"
                continue
            # The first answer after the change brings the token, the next connection confirms with it.
            outcome, token = str(told.get("outcome", outcome)), str(told.get("token", token))
            if told.get("differences") or told.get("failed"):
                why = "; ".join(told.get("differences") or [str(told.get("msg"))])
        return outcome, why

    def _module(self, step: str, task_vars: dict[str, Any], **more: Any) -> dict[str, Any]:
        arguments = {**self._task.args, "step": step, **more}
        told: dict[str, Any] = self._execute_module(
            module_name="cluster_network", module_args=arguments, task_vars=task_vars
        )
        return told
