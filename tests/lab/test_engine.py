"""Which engine the lab takes, and what it says when it cannot."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import lab_engine
import pytest

URI = "https://packages.example/dist"


def choose(cache: Path, **given: Any) -> lab_engine.Choice:
    """The choice on a machine without archives or upstream, but for what is given."""
    asked: dict[str, Any] = {"engine": "", "archive": "", "architecture": "amd64", "upstream_answers": lambda: False}
    return lab_engine.choose(cache=cache, apt_source_uri=URI, **(asked | given))


def archive_in(directory: Path, name: str = "keydb-6.3.4-amd64.tar.gz", content: bytes = b"keydb") -> Path:
    archive = directory / name
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize("engine", ["valkey", "redis"])
def test_takes_the_engine_that_was_asked_for(tmp_path: Path, engine: str) -> None:
    archive_in(tmp_path)
    choice = choose(tmp_path, engine=engine)
    assert choice.variables == {"keydb_engine": engine}
    assert "LAB_ENGINE" in choice.reason


@pytest.mark.parametrize("engine", ["KeyDB", "memcached", " ", "keydb "])
def test_refuses_an_unknown_engine(tmp_path: Path, engine: str) -> None:
    with pytest.raises(ValueError, match=f"LAB_ENGINE={engine}: allowed are keydb, valkey, redis"):
        choose(tmp_path, engine=engine)


@pytest.mark.parametrize("engine", ["", "keydb"])
def test_takes_the_named_archive_first(tmp_path: Path, engine: str) -> None:
    archive_in(tmp_path)
    named = archive_in(tmp_path, "mine.tar.gz", b"another build")
    choice = choose(tmp_path, engine=engine, archive=str(named))
    assert choice.variables == {
        "keydb_engine": "keydb",
        "keydb_install_method": "archive",
        "keydb_archives": {"amd64": {"src": str(named), "sha256": hashlib.sha256(b"another build").hexdigest()}},
    }
    assert choice.label == "keydb (archive)"


def test_a_relative_archive_becomes_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    choice = choose(tmp_path / "empty", archive="keydb-6.3.4-amd64.tar.gz")
    assert choice.variables["keydb_archives"]["amd64"]["src"] == str(tmp_path / "keydb-6.3.4-amd64.tar.gz")


def test_refuses_a_named_archive_that_is_not_there(tmp_path: Path) -> None:
    archive_in(tmp_path)
    with pytest.raises(ValueError, match=r"LAB_KEYDB_ARCHIVE=/nowhere/keydb\.tar\.gz: no such file"):
        choose(tmp_path, archive="/nowhere/keydb.tar.gz")


def test_refuses_an_archive_for_another_architecture(tmp_path: Path) -> None:
    named = archive_in(tmp_path, "keydb-6.3.4-arm64.tar.gz")
    with pytest.raises(ValueError, match="built for arm64, the nodes are amd64"):
        choose(tmp_path, archive=str(named))


def test_finds_the_newest_archive_of_each_architecture(tmp_path: Path) -> None:
    archive_in(tmp_path, "keydb-6.3.4-amd64.tar.gz", b"old")
    newest = archive_in(tmp_path, "keydb-6.10.0-amd64.tar.gz", b"new")
    other = archive_in(tmp_path, "keydb-6.3.4-arm64.tar.gz", b"pi")
    archive_in(tmp_path, "keydb-7.0.0-riscv64.tar.gz")
    choice = choose(tmp_path)
    archives = choice.variables["keydb_archives"]
    assert {name: entry["src"] for name, entry in archives.items()} == {"amd64": str(newest), "arm64": str(other)}
    assert choice.label == "keydb 6.10.0 (archive)"
    assert str(newest) in choice.reason


def test_an_archive_for_the_other_architecture_alone_is_of_no_use(tmp_path: Path) -> None:
    archive_in(tmp_path, "keydb-6.3.4-arm64.tar.gz")
    assert choose(tmp_path).engine == "valkey"


@pytest.mark.parametrize("separator", ["  ", " *"])
def test_accepts_the_checksum_beside_the_archive(tmp_path: Path, separator: str) -> None:
    archive = archive_in(tmp_path)
    checksum = hashlib.sha256(b"keydb").hexdigest()
    Path(f"{archive}.sha256").write_text(f"{checksum}{separator}{archive.name}\n", encoding="utf-8")
    assert choose(tmp_path).variables["keydb_archives"]["amd64"]["sha256"] == checksum


@pytest.mark.parametrize("content", ["0" * 64, ""])
def test_refuses_an_archive_that_is_not_what_its_checksum_says(tmp_path: Path, content: str) -> None:
    archive = archive_in(tmp_path)
    Path(f"{archive}.sha256").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{archive.name}: its SHA-256 is {hashlib.sha256(b'keydb').hexdigest()}"):
        choose(tmp_path)


@pytest.mark.parametrize("engine", ["", "keydb"])
def test_takes_upstreams_repository_when_it_answers(tmp_path: Path, engine: str) -> None:
    choice = choose(tmp_path, engine=engine, upstream_answers=lambda: True)
    assert choice.variables == {"keydb_engine": "keydb", "keydb_install_method": "apt"}
    assert URI in choice.reason


def test_upstream_is_not_asked_when_an_archive_is_there(tmp_path: Path) -> None:
    archive_in(tmp_path)
    choose(tmp_path, upstream_answers=lambda: pytest.fail("asked"))


def test_falls_back_to_valkey_and_says_why(tmp_path: Path) -> None:
    choice = choose(tmp_path)
    assert choice.variables == {"keydb_engine": "valkey"}
    assert str(tmp_path) in choice.reason
    assert URI in choice.reason


def test_keydb_that_was_asked_for_never_becomes_something_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LAB_ENGINE=keydb, but no KeyDB is to be had"):
        choose(tmp_path, engine="keydb")


def test_only_web_addresses_are_asked(tmp_path: Path) -> None:
    assert not lab_engine.answers(tmp_path.as_uri())


def test_a_host_that_does_not_answer_is_no_error() -> None:
    assert not lab_engine.answers("http://127.0.0.1:1/dists/bookworm/InRelease")


def test_a_users_environment_leads_to_an_archive(tmp_path: Path) -> None:
    (tmp_path / "keydb-lab").mkdir()
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    assert lab_engine.local_archive(environment, "amd64") is None
    archive_in(tmp_path / "keydb-lab")
    choice = lab_engine.local_archive(environment, "amd64")
    assert choice is not None
    assert choice.label == "keydb 6.3.4 (archive)"
    with pytest.raises(ValueError, match="no such file"):
        lab_engine.local_archive(environment | {"LAB_KEYDB_ARCHIVE": "/nowhere"}, "amd64")
