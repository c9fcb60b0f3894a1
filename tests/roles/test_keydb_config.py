"""The comparison of a configuration file with what a server answers."""

from __future__ import annotations

from pathlib import Path

import keydb_config as live
import pytest


def read(files: dict[str, str]) -> dict[str, list[str]]:
    return live.directives(Path("/etc/keydb.conf"), lambda path: files[path])


def test_a_file_and_what_it_includes() -> None:
    found = read(
        {
            "/etc/keydb.conf": (
                '# a comment\n\n  # another\nPORT 0\nlogfile ""\ntls-protocols "TLSv1.2 TLSv1.3"\n'
                "save 900 1\nsave 300 10\ninclude /etc/auth.conf\nreplicaof 10.77.0.11 6379\n"
            ),
            "/etc/auth.conf": "masteruser replication\nmasterauth secret\n",
        }
    )
    assert found == {
        "port": ["0"],
        "logfile": [""],
        "tls-protocols": ["TLSv1.2 TLSv1.3"],
        "save": ["900 1", "300 10"],
        "masteruser": ["replication"],
        "masterauth": ["secret"],
        "replicaof": ["10.77.0.11 6379"],
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"), ("512", "512"), ("512b", "512"), ("1k", "1000"), ("1kb", "1024"), ("64mb", "67108864"),
        ("64MB", "67108864"), ("1m", "1000000"), ("2gb", "2147483648"), ("1g", "1000000000"),
        ("everysec", "everysec"), ("64 mb", "64 mb"), ("1tb", "1tb"), ("-1", "-1"), ("", ""),
    ],
)  # fmt: skip
def test_sizes(text: str, number: str) -> None:
    assert live.size(text) == number


@pytest.mark.parametrize(
    ("name", "filed", "answer"),
    [
        ("maxmemory", ["64mb"], "67108864"),
        ("appendonly", ["yes"], "yes"),
        ("appendonly", ["no", "yes"], "yes"),
        ("save", ["900 1", "300 10"], "900 1 300 10"),
        ("save", [""], ""),
        ("bind", ["10.77.0.11"], "10.77.0.11"),
        ("notify-keyspace-events", ["K$g"], "g$K"),
        ("notify-keyspace-events", ["K$gA"], "AK"),
        ("notify-keyspace-events", ["K$glshzxetd"], "AK"),
        # Redis 7.0 does not say n beside A.
        ("notify-keyspace-events", ["K$gAn"], "AK"),
        ("client-output-buffer-limit", ["replica 256mb 64mb 60"], "normal 0 0 0 slave 268435456 67108864 60"),
        (
            "client-output-buffer-limit",
            ["normal 0 0 0", "pubsub 32mb 8mb 60"],
            "normal 0 0 0 replica 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
    ],
)
def test_the_same_however_it_is_written(name: str, filed: list[str], answer: str) -> None:
    assert live.same(name, filed, answer)


@pytest.mark.parametrize(
    ("name", "filed", "answer"),
    [
        ("maxmemory", ["64mb"], "64000000"),
        ("maxmemory", ["64m"], "67108864"),
        ("save", ["900 1"], "900 1 300 10"),
        ("save", ["300 10", "900 1"], "900 1 300 10"),
        ("save", [""], "3600 1"),
        ("bind", ["10.77.0.11"], "10.77.0.11 127.0.0.1"),
        ("notify-keyspace-events", ["K$g"], "K$"),
        ("notify-keyspace-events", ["K$g"], "AK"),
        ("notify-keyspace-events", ["K$g"], "g$E"),
        ("notify-keyspace-events", ["K$gn"], "g$K"),
        ("client-output-buffer-limit", ["replica 256mb 64mb 60"], "slave 268435456 67108864 61"),
        ("client-output-buffer-limit", ["pubsub 32mb 8mb 60"], "normal 0 0 0"),
        ("tls-protocols", ["TLSv1.2 TLSv1.3"], "TLSv1.3"),
    ],
)
def test_different(name: str, filed: list[str], answer: str) -> None:
    assert not live.same(name, filed, answer)


def test_a_directory_is_where_its_links_lead(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    assert live.same("dir", [f"{tmp_path}/data"], f"{tmp_path}/disk")
    assert not live.same("dir", [f"{tmp_path}/data"], f"{tmp_path}/other")


def test_what_was_compared_what_is_unknown_and_what_differs() -> None:
    server = {"maxmemory": "1", "dir": "/data", "masterauth": "the wrong one", "hz": "10"}
    filed = {
        "maxmemory": ["64mb"],
        "dir": ["/data"],
        "masterauth": ["the right one"],
        "hz": ["10"],
        "enable-motd": ["no"],
        "replicaof": ["10.77.0.11 6379"],
        "user": ["x on"],
    }
    compared, unknown, different = live.compare(filed, lambda name: {k: v for k, v in server.items() if k == name})
    assert compared == 4
    assert unknown == ["enable-motd"]
    assert different == ["masterauth: (secret)", "maxmemory: file says '64mb', server says '1'"]


@pytest.mark.parametrize("name", sorted(live.SECRET))
def test_no_secret_is_shown(name: str) -> None:
    _, _, different = live.compare({name: ["filed-secret"]}, lambda each: {each: "live-secret"})
    assert different == [f"{name}: (secret)"]
