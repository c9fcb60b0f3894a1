"""Ansible callback: a playbook as a list of steps, one line each, for people who watch."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import Any

from ansible import constants as C  # noqa: N812  # as Ansible's own callbacks name it
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = r"""
name: steps
type: stdout
short_description: one line per step
description:
  - Shows each task as one line with the hosts that it changed and how long it took, if that is worth telling.
    Tasks that every host skipped are left out; failures look as they do by default.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
author: The project
"""

WORTH_TELLING_SECONDS = 2


class CallbackModule(Default):  # type: ignore[misc]  # Ansible carries no types
    """Collects the results of a task and prints them when the next one begins."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "steps"

    def __init__(self) -> None:
        super().__init__()
        self._step = ""
        self._started = 0.0
        self._hosts: dict[str, list[str]] = defaultdict(list)
        self._messages: list[str] = []
        self._terminal = sys.stdout.isatty()

    def _begin(self, task: Any) -> None:
        self._end()
        self._step, self._started = f"  {task.name or task.action}", time.monotonic()
        self._last_task_banner = task._uuid
        if self._terminal:
            self._display.display(f"{self._step} …", newline=False)

    def _end(self) -> None:
        """Complete the line of the current step, or take it back if nothing was done."""
        if self._terminal and self._step:
            self._display.display("\r\033[K", newline=False)
        hosts, messages = self._hosts, self._messages
        if hosts["ok"] or hosts["changed"] or hosts["failed"]:
            seconds = time.monotonic() - self._started
            line = self._step
            if hosts["changed"] == ["localhost"]:
                line += ": changed"
            elif hosts["changed"]:
                line += f": changed {' '.join(sorted(hosts['changed']))}"
            if seconds >= WORTH_TELLING_SECONDS:
                line += f" ({seconds:.0f} s)"
            self._display.display(line, color=C.COLOR_CHANGED if hosts["changed"] else None)
        for message in dict.fromkeys(messages):
            self._display.display(message, color=C.COLOR_HIGHLIGHT)
        self._step, self._hosts, self._messages = "", defaultdict(list), []

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Name the play."""
        self._end()
        self._play = play
        self._display.display(f"\n{play.get_name().strip()}", color=C.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002  # Ansible hands it over
        """Show the step while it runs."""
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Show the step while it runs."""
        self._begin(task)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        """Show the step while it runs."""
        self._begin(task)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Included files are no steps."""

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a host; what a debug task says is shown."""
        if isinstance(result.task, TaskInclude):
            return
        self._handle_warnings_and_exception(result)
        if result.task.action == "ansible.builtin.validate_argument_spec":
            return
        self._hosts["changed" if result.result.get("changed") else "ok"].append(result.host.get_name())
        if result.task.action in C._ACTION_DEBUG and "msg" in result.result:
            said = result.result["msg"]
            lines = said if isinstance(said, list) else str(said).splitlines()
            # The message stands for the step.
            self._messages.append("\n".join(f"  {line}" for line in lines))
            self._hosts.clear()

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show a failure as Ansible does."""
        self._hosts["failed"].append(result.host.get_name())
        self._end()
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show it as Ansible does."""
        self._hosts["failed"].append(result.host.get_name())
        self._end()
        super().v2_runner_on_unreachable(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A host with nothing to do is not worth a line."""

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """The step itself is shown already."""

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """The step stands for its items."""

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """The step stands for its items."""

    def v2_runner_retry(self, result: Any) -> None:
        """Waiting is part of the step."""

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """A play without hosts has no steps."""

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Close with Ansible's own figures per host."""
        self._end()
        super().v2_playbook_on_stats(stats)
