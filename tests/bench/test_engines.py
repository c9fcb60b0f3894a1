"""Which engines are found, and how each is started."""

from __future__ import annotations

import platform
import tarfile
from pathlib import Path

import pytest
from bench import engines
from bench.engines import NoEngineError, find_engines


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """One whose server can only say its version."""
    server = tmp_path / "keydb-server"
    server.write_text("#!/bin/sh\necho KeyDB server v=6.3.4\n", "utf-8")
    server.chmod(0o755)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    made = tmp_path / f"keydb-6.3.4-{architecture}.tar.gz"
    with tarfile.open(made, "w:gz") as content:
        content.add(server, "keydb-6.3.4/bin/keydb-server")
    return made


@pytest.mark.parametrize("may", [True, False])
def test_keydb_is_scheduled_in_real_time_where_that_may_be(
    may: bool, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_can_run", lambda _: may)
    (keydb,) = find_engines(["keydb"], {"LAB_KEYDB_ARCHIVE": str(archive)}, tmp_path)
    assert keydb.launcher == (("chrt", "--fifo", "1") if may else ())
    assert keydb.label.endswith("(archive), SCHED_FIFO" if may else "(archive)")
    assert keydb.binary.name == "keydb-server"


def test_whether_a_command_may_run_is_found_out() -> None:
    assert engines._can_run(["true"])
    assert not engines._can_run(["false"])
    assert not engines._can_run(["/no/such/program"])


def test_a_wanted_engine_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match=r"no keydb-.*\.tar\.gz"):
        find_engines(["keydb"], {"XDG_CACHE_HOME": str(tmp_path)}, tmp_path)
