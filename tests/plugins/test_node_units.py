"""Many units of a node in one call: what is due is done and nothing else."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import node_units
import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

Run = Callable[..., dict[str, Any]]


class Host:
    """Units of a host that need not be, as systemctl tells of them, and the commands that were given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.units: dict[str, dict[str, str]] = {}
        self.commands: list[str] = []
        self.failing: set[str] = set()

    def add(self, name: str, active: str = "active", enabled: str = "enabled", stale: bool = False) -> None:
        self.units[name] = {"LoadState": "loaded", "ActiveState": active, "NeedDaemonReload": "yes" if stale else "no"}
        self.units[name]["enabled"] = enabled
        (self.directory / name).touch()

    def run(self, command: list[str]) -> tuple[int, str, str]:
        if command[:2] == ["systemctl", "show"]:
            return 0, "\n\n".join(self._shown(name) for name in command[4:]) + "\n", ""
        if command[:2] == ["systemctl", "is-enabled"]:
            words = [self.units.get(name, {"enabled": "disabled"})["enabled"] for name in command[3:]]
            return int("disabled" in words), "\n".join(words) + "\n", ""
        if command[0] == "journalctl":
            return 0, "it said why\n", ""
        self.commands.append(" ".join(command).removeprefix("systemctl "))
        return int(self.commands[-1] in self.failing), "", "broken"

    def _shown(self, name: str) -> str:
        unknown = {"LoadState": "not-found", "ActiveState": "inactive", "NeedDaemonReload": "no"}
        unit = self.units.get(name, unknown)
        return "\n".join(f"{key}={unit[key]}" for key in ("LoadState", "ActiveState", "NeedDaemonReload"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)

    def run_command(module: basic.AnsibleModule, command: list[str], check_rc: bool = False) -> tuple[int, str, str]:
        code, output, error = host.run(command)
        if check_rc and code:
            module.fail_json(msg=error)
        return code, output, error

    monkeypatch.setattr(basic.AnsibleModule, "run_command", run_command)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_, **__: None)
    monkeypatch.setattr(node_units, "_UNIT_DIRECTORY", tmp_path)
    monkeypatch.setattr(node_units, "_has_file", lambda name: (tmp_path / name).exists())
    return host


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*units: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {"units": list(units), "_ansible_check_mode": check, **more}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            node_units.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def a_file(host: Host) -> dict[str, str]:
    """A file of the user that runs the tests, which is not there yet."""
    names = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
    return {"path": str(host.directory / "a.conf"), "content": "text\n", **names}


def noted(directory: Path, *paths: Path) -> str:
    """A file of checksums of these files as they are now."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n" for path in paths]
    (directory / "notes").write_text("".join(lines))
    return str(directory / "notes")


def test_what_is_as_it_should_be_is_left_alone(run: Run, host: Host, tmp_path: Path) -> None:
    host.add("a.service")
    (tmp_path / "input").write_text("same")
    notes = noted(tmp_path, tmp_path / "input")
    result = run({"name": "a.service", "notes": notes, "proof": ["true"]}, {"name": "b.service", "state": "absent"})
    assert result["changed"] is False
    assert (result["actions"], result["stale"], host.commands) == ([], {}, ["true"])


@pytest.mark.parametrize("check", [True, False])
def test_a_new_unit_is_read_enabled_and_started(run: Run, host: Host, check: bool) -> None:
    (host.directory / "a.service").touch()
    result = run({"name": "a.service", "notes": "/nowhere/notes"}, check=check)
    assert result["actions"] == ["enable a.service", "start a.service"]
    assert host.commands == ([] if check else ["daemon-reload", *result["actions"]])


def test_a_changed_unit_or_one_that_is_watched_is_read_and_that_is_no_change(run: Run, host: Host) -> None:
    host.add("a.service", stale=True)
    host.add("distribution.service", stale=True)
    for watch in ([], ["distribution.service"]):
        assert run({"name": "a.service"}, watch=watch)["changed"] is False
        host.units["a.service"]["NeedDaemonReload"] = "no"
    assert host.commands == ["daemon-reload", "daemon-reload"]


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating"])
def test_what_is_not_active_is_started_whatever_its_notes(run: Run, host: Host, state: str) -> None:
    host.add("a.service", active=state)
    file = a_file(host)
    unit = {"name": "a.service", "notes": "/nowhere/notes", "reload_for": [file["path"]], "proof": ["false"]}
    result = run(unit, files=[file])
    assert (result["actions"], result["stale"]) == (["start a.service"], {})


@pytest.mark.parametrize("check", [True, False])
def test_what_is_out_of_date_is_restarted_or_only_told(run: Run, host: Host, tmp_path: Path, check: bool) -> None:
    host.add("a.service")
    inputs = [tmp_path / name for name in ("same", "changed", "gone")]
    for path in inputs:
        path.write_text(path.name)
    notes = noted(tmp_path, *inputs)
    inputs[1].write_text("now different")
    inputs[2].unlink()
    stale = {"a.service": [str(path) for path in inputs[1:]]}
    told = run({"name": "a.service", "notes": notes, "restart": False}, check=check)
    assert (told["changed"], told["stale"]) == (False, stale)
    done = run({"name": "a.service", "notes": notes}, check=check)
    assert (done["actions"], done["stale"]) == (["restart a.service"], stale)
    assert host.commands == ([] if check else ["restart a.service"])


def test_a_unit_that_runs_without_notes_is_out_of_date(run: Run, host: Host) -> None:
    host.add("a.service")
    assert run({"name": "a.service", "notes": "/nowhere/notes"})["stale"] == {"a.service": ["/nowhere/notes"]}


def test_check_mode_foresees_what_this_run_would_change(run: Run, host: Host, tmp_path: Path) -> None:
    host.add("a.service")
    file = a_file(host)
    notes = {"notes": noted(tmp_path)}
    for foresees in ({"will_change": True}, {"inputs": [file["path"]]}):
        unit = {"name": "a.service", **notes, **foresees}
        assert run(unit, check=True, files=[file])["actions"] == ["restart a.service"]
    other = {"name": "a.service", **notes, "inputs": ["/another/file"]}
    assert run(other, check=True, files=[file])["actions"] == []
    # Without it the change has been made, and the notes tell.
    assert run({"name": "a.service", **notes, "will_change": True})["actions"] == []


def test_what_does_not_do_what_it_is_for_is_restarted(run: Run, host: Host) -> None:
    host.add("a.service")
    host.failing = {"ask whether it works"}
    file = a_file(host)
    unit = {"name": "a.service", "proof": ["ask", "whether it works"], "reload_for": [file["path"]]}
    assert run(unit, files=[file])["actions"] == ["restart a.service"]


def test_a_reload_is_done_for_a_changed_file_and_for_no_other(run: Run, host: Host) -> None:
    host.add("a.service")
    file = a_file(host)
    unit = {"name": "a.service", "reload_for": [file["path"]]}
    other = {**file, "path": f"{host.directory}/other", "content": "other"}
    assert run(unit, files=[other])["actions"] == []
    assert run(unit, files=[file])["actions"] == ["reload a.service"]
    assert run(unit, files=[file])["actions"] == []


@pytest.mark.parametrize("check", [True, False])
def test_files_come_before_units_and_are_told(run: Run, host: Host, check: bool) -> None:
    """A unit that is written here is known to its systemd only afterwards; check mode foresees it."""
    file = {**a_file(host), "path": str(host.directory / "new.service")}
    result = run({"name": "new.service"}, files=[file], check=check)
    assert (result["changed"], result["changed_paths"]) == (True, [file["path"]])
    assert result["actions"] == ["enable new.service", "start new.service"]
    assert result["diff"][0]["after"] == file["content"]
    assert Path(file["path"]).exists() is not check


def test_what_changes_files_alone_is_a_change(run: Run, host: Host) -> None:
    host.add("a.service")
    file = a_file(host)
    assert run({"name": "a.service"}, files=[file])["changed"] is True
    assert run({"name": "a.service"}, files=[file])["changed"] is False


def test_without_what_it_needs_nothing_is_done(run: Run, host: Host) -> None:
    host.add("a.service", active="inactive")
    file = a_file(host)
    needs = host.directory / "installed"
    result = run({"name": "a.service"}, files=[file], needs=str(needs))
    assert (result["changed"], result["missing"], host.commands) == (False, True, [])
    assert not Path(file["path"]).exists()
    needs.touch()
    result = run({"name": "a.service"}, files=[file], needs=str(needs))
    assert (result["missing"], result["actions"]) == (False, ["start a.service"])
    # The file was written a moment ago, which systemd has not noticed by itself.
    assert host.commands == ["daemon-reload", "start a.service"]


@pytest.mark.parametrize("check", [True, False])
def test_a_unit_is_taken_away(run: Run, host: Host, check: bool) -> None:
    host.add("a.service")
    result = run({"name": "a.service", "state": "absent"}, check=check)
    assert result["actions"] == ["stop a.service", "disable a.service", "remove a.service"]
    assert (host.directory / "a.service").exists() is check
    assert host.commands == ([] if check else ["stop a.service", "disable a.service", "daemon-reload"])


def test_a_failure_shows_what_the_unit_said(run: Run, host: Host) -> None:
    host.add("a.service", active="inactive")
    host.failing = {"start a.service"}
    result = run({"name": "a.service"})
    assert result["failed"] is True
    assert result["msg"] == "a.service does not start. it said why"
