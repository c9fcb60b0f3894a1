"""Many files of a node in one call: what is made, what is left alone, what is foreseen, and what is not shown."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import node_files
import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

Run = Callable[..., dict[str, Any]]
OWN = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
SECRET = "masteruser replication\nmasterauth a-long-secret\n"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module has logged on its host."""
    lines: list[str] = []

    def log(module: basic.AnsibleModule, message: str, log_args: Any = None) -> None:
        if not module.no_log:
            lines.append(f"{message} {log_args}")

    monkeypatch.setattr(basic.AnsibleModule, "log", log)
    return lines


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], logged: list[str]) -> Run:
    """Calls the module as Ansible does, for files of the user that runs the tests; what it returns."""
    assert logged == []

    def call(*files: dict[str, Any], check: bool = False) -> dict[str, Any]:
        arguments = {"files": [{**OWN, **file} for file in files], "_ansible_check_mode": check}
        # Ansible always says it, and what it says is not what the module says of itself.
        arguments["_ansible_no_log"] = False
        with patch_module_args(arguments), pytest.raises(SystemExit):
            node_files.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def mode(path: Path) -> str:
    return f"{path.lstat().st_mode & 0o7777:o}"


def everything(directory: Path) -> list[dict[str, Any]]:
    """One of each kind."""
    return [
        {"path": str(directory / "etc"), "state": "directory", "mode": "0750"},
        {"path": str(directory / "etc" / "a.conf"), "content": "a\n"},
        {"path": str(directory / "etc" / "password"), "secret_content": SECRET, "mode": "0600"},
        {"path": str(directory / "link"), "link": "/nowhere/yet"},
        {"path": str(directory / "old"), "state": "absent"},
    ]


def test_all_of_it_and_then_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old" / "below").mkdir(parents=True)
    files = everything(tmp_path)
    first = run(*files)
    assert first["changed"] is True
    assert first["changed_paths"] == [file["path"] for file in files]
    assert (tmp_path / "etc" / "a.conf").read_text() == "a\n"
    assert (tmp_path / "etc" / "password").read_text() == SECRET
    assert (tmp_path / "link").readlink() == Path("/nowhere/yet")
    assert not (tmp_path / "old").exists()
    assert [mode(tmp_path / "etc" / name) for name in ("", "a.conf", "password")] == ["750", "644", "600"]
    second = run(*files)
    assert (second["changed"], second["changed_paths"], second["diff"]) == (False, [], [])


def test_check_mode_foresees_the_same_and_does_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    files = everything(tmp_path)
    foreseen = run(*files, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    done = run(*files)
    assert (foreseen["changed_paths"], foreseen["diff"]) == (done["changed_paths"], done["diff"])
    assert run(*files, check=True)["changed"] is False


@pytest.mark.parametrize("check", [True, False])
def test_a_secret_is_in_no_result_and_no_log(run: Run, logged: list[str], tmp_path: Path, check: bool) -> None:
    file = {"path": str(tmp_path / "password"), "secret_content": SECRET}
    for before in (None, "another-secret\nof two lines\n"):
        if before:
            (tmp_path / "password").write_text(before)
        told = json.dumps(run(file, check=check)) + "".join(logged)
        assert "not shown" in told
        assert "a-long-secret" not in told
        assert "another-secret" not in told
    assert any(str(tmp_path / "password") in line for line in logged)


def test_a_difference_is_shown(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old\n")
    (difference,) = run({"path": str(path), "content": "new\n"})["diff"]
    assert difference == {"before_header": str(path), "after_header": str(path), "before": "old\n", "after": "new\n"}


@pytest.mark.parametrize("check", [True, False])
def test_permissions_alone(run: Run, tmp_path: Path, check: bool) -> None:
    path = tmp_path / "a.conf"
    path.write_text("a\n")
    path.chmod(0o666)
    result = run({"path": str(path), "content": "a\n", "mode": "0640"}, check=check)
    assert result["changed_paths"] == [str(path)]
    assert mode(path) == ("666" if check else "640")


def test_an_owner_that_is_yet_to_come_is_foreseen(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("a\n")
    file = {"path": str(path), "content": "a\n", "owner": "no-such-user"}
    assert run(file, check=True)["changed_paths"] == [str(path)]
    assert run(file)["failed"] is True


@pytest.mark.parametrize("check", [True, False])
def test_an_invalid_file_is_refused_and_the_old_one_stays(run: Run, tmp_path: Path, check: bool) -> None:
    path = tmp_path / "a.conf"
    path.write_text("right\n")
    file = {"path": str(path), "validate": "grep --quiet right %s"}
    result = run({**file, "content": "wrong\n"}, check=check)
    assert result["failed"] is True
    assert "would not be valid" in result["msg"]
    assert not run({**file, "content": "also right\n"}, check=check).get("failed")
    assert path.read_text() == ("right\n" if check else "also right\n")
    assert [each.name for each in tmp_path.iterdir()] == ["a.conf"]


def test_a_link_gives_way_to_a_file_and_a_file_to_a_link(run: Run, tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "path"
    other.write_text("same\n")
    path.symlink_to(other)
    assert run({"path": str(path), "content": "same\n"})["changed"] is True
    assert not path.is_symlink()
    assert run({"path": str(path), "link": str(other)})["changed"] is True
    assert path.readlink() == other
    assert other.read_text() == "same\n"


def test_a_directory_is_not_replaced(run: Run, tmp_path: Path) -> None:
    for entry in ({"content": "a"}, {"link": "/dev/null"}):
        result = run({"path": str(tmp_path), **entry})
        assert result["failed"] is True
        assert "a directory is there" in result["msg"]
    (tmp_path / "file").touch()
    assert "something else is there" in run({"path": str(tmp_path / "file"), "state": "directory"})["msg"]


def test_directories_above_a_file_are_not_made(run: Run, tmp_path: Path) -> None:
    for entry in ({"content": "a"}, {"link": "/dev/null"}):
        path = tmp_path / "no" / "file"
        result = run({"path": str(path), **entry})
        assert result["failed"] is True
        assert f"{path} cannot be made: {path.parent} is not there" in result["msg"]


def test_directories_above_a_directory_are(run: Run, tmp_path: Path) -> None:
    run({"path": str(tmp_path / "one" / "two"), "state": "directory", "mode": "0700"})
    assert [mode(tmp_path / "one"), mode(tmp_path / "one" / "two")] == ["755", "700"]


@pytest.mark.parametrize(
    "entry", [{}, {"content": "a", "secret_content": "b"}, {"state": "link"}, {"state": "file"}], ids=str
)
def test_what_makes_no_sense_is_refused(run: Run, tmp_path: Path, entry: dict[str, Any]) -> None:
    assert run({"path": str(tmp_path / "x"), **entry})["failed"] is True
    assert list(tmp_path.iterdir()) == []
