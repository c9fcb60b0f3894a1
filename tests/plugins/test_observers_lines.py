"""A unit's line is waited for as long as it may be old, and no longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import observers_lines
import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Unit to what journalctl prints, one text for each time that it is asked; then nothing."""
    answers: dict[str, list[str]] = {}
    clock = [100.0]

    def run_command(_: basic.AnsibleModule, command: list[str]) -> tuple[int, str, str]:
        assert "--since=-3s" in command
        unit = command[1].removeprefix("--unit=").removesuffix(".service")
        text = answers[unit].pop(0) if answers[unit] else ""
        return int(not text), text, ""

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(basic.AnsibleModule, "run_command", run_command)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_, **__: None)
    monkeypatch.setattr(observers_lines.time, "sleep", sleep)
    monkeypatch.setattr(observers_lines.time, "monotonic", lambda: clock[0])
    return answers


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*units: str) -> dict[str, Any]:
        arguments = {"units": dict.fromkeys(units, "^pattern"), "within": 3}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            observers_lines.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def test_each_has_its_line(run: Run, answers: dict[str, list[str]]) -> None:
    answers.update(writer=["wrote\n", "not asked again"], listener=["", "", "read\n"])
    assert run("writer", "listener")["units"] == {"writer": "wrote", "listener": "read"}
    assert answers["writer"] == ["not asked again"]


def test_one_that_says_nothing_is_waited_for_and_told(run: Run, answers: dict[str, list[str]]) -> None:
    answers.update(writer=["wrote\n"], listener=["", "", "", "", "too late"])
    result = run("writer", "listener")
    assert result["units"] == {"writer": "wrote", "listener": ""}
    assert not result.get("failed")
    assert answers["listener"] == ["too late"]
