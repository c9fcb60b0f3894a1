"""What the module keydb_look reads from a program."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keydb_look
import pytest
from ansible.module_utils.testing import patch_module_args

PT_LOAD, PT_GNU_STACK = 1, 0x6474E551
READ, WRITE, EXECUTE = 4, 2, 1


def program(*headers: tuple[int, int], magic: bytes = b"\x7fELF\x02\x01\x01", size: int = 56, start: int = 64) -> bytes:
    """An ELF header and, from ``start`` on, program headers of ``size`` bytes each: (type, flags)."""
    head = magic.ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, start, 0, 0, 64, size, len(headers), 0, 0, 0
    )
    assert len(head) == 64
    return head.ljust(start, b"\xff") + b"".join(struct.pack("<II", *each).ljust(size, b"\0") for each in headers)


@pytest.mark.parametrize(
    ("headers", "executable"),
    [
        ([(PT_GNU_STACK, READ | WRITE)], False),
        ([(PT_GNU_STACK, READ | WRITE | EXECUTE)], True),
        ([(PT_LOAD, READ | EXECUTE), (PT_GNU_STACK, READ | WRITE)], False),
        ([(PT_LOAD, READ), (PT_LOAD, READ | EXECUTE), (PT_GNU_STACK, READ | WRITE | EXECUTE)], True),
        # Without the header the kernel makes stacks executable.
        ([(PT_LOAD, READ | WRITE)], True),
        ([], True),
    ],
)
def test_executable_stacks(headers: list[tuple[int, int]], executable: bool) -> None:
    assert keydb_look.executable_stack(program(*headers)) is executable


def test_the_header_says_where_the_table_is_and_how_long_its_entries_are() -> None:
    assert keydb_look.executable_stack(program((PT_LOAD, EXECUTE), (PT_GNU_STACK, READ), size=72, start=200)) is False


@pytest.mark.parametrize(
    "content",
    [b"", b"#!/bin/sh\n", program(magic=b"\x7fELF\x01\x01\x01"), program(magic=b"\x7fELF\x02\x02\x01"), b"\x7fEL"],
    ids=["empty", "script", "32 bits", "big-endian", "truncated"],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="64-bit little-endian ELF"):
        keydb_look.executable_stack(content)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def call(path: str, **more: Any) -> dict[str, Any]:
        with patch_module_args({"path": path, "user": "root", "home": "/root", **more}), pytest.raises(SystemExit):
            keydb_look.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def test_debians_redis(run: Callable[..., dict[str, Any]]) -> None:
    found = run(str(shutil.which("redis-server")))
    assert found["exists"] is True
    assert found["version"][0].isdigit()
    assert found["notifies"] is True
    assert found["executable_stack"] is False
    assert found["changed"] is False


def test_no_program(run: Callable[..., dict[str, Any]]) -> None:
    found = run("/nowhere/keydb-server")
    assert found["exists"] is False
    assert "version" not in found


def test_a_program_that_does_not_run(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    broken = tmp_path / "keydb-server"
    broken.write_text("#!/bin/sh\necho 'error while loading\n  shared libraries' >&2\nexit 127\n", "utf-8")
    broken.chmod(0o755)
    found = run(str(broken))
    assert found["exists"] is True
    assert found["problem"] == f"{broken}: it does not run on this host: error while loading shared libraries"


def test_a_program_that_is_no_server(run: Callable[..., dict[str, Any]]) -> None:
    found = run("/bin/true")
    assert "does not run on this host" in found["problem"]
    assert "version" not in found


def test_a_program_that_the_kernel_refuses(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    strange = tmp_path / "keydb-server"
    strange.write_bytes(b"\x7fELF of nobody's")
    strange.chmod(0o755)
    assert "Exec format error" in run(str(strange))["problem"]


def test_a_program_that_was_not_installed_to_its_end(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    redis = str(shutil.which("redis-server"))
    assert run(redis, marker=str(tmp_path / ".unpacked"))["exists"] is False
    (tmp_path / ".unpacked").touch()
    assert run(redis, marker=str(tmp_path / ".unpacked"))["exists"] is True


def test_packages_by_name_and_by_version() -> None:
    output = "installed redis-server 5:7.0.15-1\nconfig-files redis-tools 5:7.0.15-1\nnot-installed valkey-server \n"
    wanted = ["redis-server", "redis-server=5:7.0.15-1", "redis-server=5:8.0.0-1", "redis-tools", "valkey-server", "x"]
    assert keydb_look.missing(wanted, output) == wanted[2:]


def test_packages_of_this_machine(run: Callable[..., dict[str, Any]]) -> None:
    found = run("/nowhere", packages=["redis-server", "redis-server=0", "no-such-package"])
    assert found["missing_packages"] == ["redis-server=0", "no-such-package"]


def test_the_user() -> None:
    assert keydb_look.has_user("daemon", "/usr/sbin") is True
    assert keydb_look.has_user("daemon", "/var/lib/keydb") is False
    assert keydb_look.has_user("root", "/root") is False  # it can log in
    assert keydb_look.has_user("no-such-user", "/root") is False
