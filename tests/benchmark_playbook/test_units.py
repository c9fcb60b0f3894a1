"""How a run starts what it starts: as units that end by themselves, without a secret in what they are started with."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from keydb_bench import listening, loading, serving, tools, units
from keydb_bench.host import CommandError, Host
from keydb_bench.replicating import replicate
from test_servers import ENGINES, HOST, PASSWORD

WAYS = [(True, True), (True, False), (False, True), (False, False)]
LOADED = {
    "offered_rate": 100.0,
    "achieved_rate": 100.0,
    "generator_kept_up": True,
    "counts": {"acknowledged": 300, "failed": {}},
    "histograms": {
        name: dict.fromkeys(("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"), 1) for name in ("ack", "send_lag")
    },
}


@dataclass(frozen=True)
class FakeHost(Host):
    """Notes the commands that it is to run. Its listeners subscribe and end at once."""

    commands: list[list[str]] = field(default_factory=list)
    active: str = "active"

    def run(self, *command: str, told: str = "", within_s: float = 0) -> str:  # noqa: ARG002 - as the base has it
        self.commands.append(list(command))
        words = " ".join(command)
        if "--version" in words:
            return "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n"
        if "listener.py" in words:
            seen = Path(command[command.index("--directory") + 1])
            seen.mkdir()
            (seen / "ready").touch()
            (seen / "result.json").write_text('{"missed": 0}', encoding="utf-8")
        if " load " in words:
            return json.dumps(LOADED)
        if "inner_tools" in words:
            return '{"works": []}'
        if "inner_replicate" in words:
            return '{"writes": 1}'
        return self.active if "--property=ActiveState" in words else ""

    @property
    def started(self) -> list[list[str]]:
        return [command for command in self.commands if command[0] == "systemd-run"]


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setattr(listening, "_directory", lambda unit: tmp_path / unit)
    monkeypatch.setattr(serving, "_await_port", lambda _host: None)
    monkeypatch.setattr(serving.shutil, "chown", lambda *_words: None)
    given = vars(replace(HOST, state=str(tmp_path), data=str(tmp_path / "data"), engines=ENGINES))
    run = FakeHost.run

    def moved(self: FakeHost, *command: str, **more: Any) -> str:
        """A listener's own directory is one of this test."""
        return run(self, *(word.replace("/run/keydb-bench", f"{tmp_path}/keydb-bench") for word in command), **more)

    monkeypatch.setattr(FakeHost, "run", moved)
    monkeypatch.setattr(listening, "_directory", lambda unit: tmp_path / unit.removesuffix(".service"))
    return FakeHost(**given)


def order(tls: bool, authentication: bool) -> dict[str, Any]:
    return {
        "server": "10.77.0.12",
        "tls": tls,
        "authentication": authentication,
        "engine": "redis",
        "persistence": True,
        "threads": 1,
        "scheduling": "other",
        "works": [],
        "rate": 100,
        "keys": 10,
        "size": 0,
        "warmup_s": 1.0,
        "seconds": 2.0,
    }


@pytest.mark.parametrize(("tls", "authentication"), WAYS)
@pytest.mark.parametrize("what", [serving.serve, loading.window, tools.tools, replicate])
def test_every_unit_ends_by_itself_and_none_is_told_a_secret(
    what: Any, tls: bool, authentication: bool, host: FakeHost
) -> None:
    what(host, order(tls, authentication))
    assert host.started
    for words in host.started:
        assert f"--property=RuntimeMaxSec={HOST.lasts_s}s" in words
        assert "--collect" in words
        assert "--property=IPAddressDeny=any" in words
        assert "--property=ProtectSystem=strict" in words
    assert not any(PASSWORD in word for words in host.commands for word in words)


@pytest.mark.parametrize(("tls", "authentication"), WAYS)
def test_clients_get_only_the_secrets_that_they_need(tls: bool, authentication: bool, host: FakeHost) -> None:
    loading.window(host, order(tls, authentication))
    assert len(host.started) == 3
    for words in host.started:
        given = [word.split("LoadCredential=")[1].split(":")[0] for word in words if "LoadCredential" in word]
        assert given == ["password"] * authentication + ["client.key"] * tls
        assert ("--tls" in words) is tls
        assert ("--username" in words) is authentication


def test_both_listeners_have_units_that_a_drop_in_can_name(host: FakeHost) -> None:
    loading.window(host, order(tls=True, authentication=True))
    names = [word for words in host.started for word in words if word.startswith("--unit=")]
    assert names[:2] == ["--unit=keydb-bench-listener-sync.service", "--unit=keydb-bench-listener-async.service"]


def test_what_a_listener_has_left_is_gone_before_the_next_window(host: FakeHost, tmp_path: Path) -> None:
    """With a user of the moment its directory is a link to another one."""
    stale = tmp_path / "elsewhere"
    stale.mkdir()
    (stale / "result.json").write_text('{"missed": 99}', encoding="utf-8")
    (tmp_path / "keydb-bench-listener-sync").symlink_to(stale)
    assert loading.window(host, order(tls=True, authentication=True))["listeners"]["sync"]["missed"] == 0
    assert not stale.exists()
    assert not (tmp_path / "keydb-bench-listener-sync").exists()


def test_a_listener_that_does_not_run_is_named(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "touch", lambda _path: None)
    with pytest.raises(CommandError, match=r"keydb-bench-listener-sync\.service has not subscribed"):
        loading.window(replace(host, active="failed"), order(tls=True, authentication=True))


@pytest.mark.parametrize("scheduling", ["other", "fifo"])
def test_a_server_has_its_limits(scheduling: str, host: FakeHost, tmp_path: Path) -> None:
    assert serving.serve(host, order(tls=True, authentication=True) | {"scheduling": scheduling})["version"] == "7.0.15"
    (words,) = host.started
    assert f"--unit={units.SERVER}" in words
    assert {"--property=User=keydb", "--property=MemoryMax=640M", "--property=LimitFSIZE=3072M"} <= set(words)
    assert ("--property=CPUSchedulingPolicy=fifo" in words) is (scheduling == "fifo")
    assert stat.S_IMODE((tmp_path / "server.conf").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_data_of_a_server_is_forgotten(host: FakeHost, tmp_path: Path) -> None:
    serving.serve(host, order(tls=True, authentication=True))
    (tmp_path / "data" / "appendonly.aof").touch()
    serving.unserve(host, {})
    assert not (tmp_path / "data").exists()
    assert (tmp_path / "password").exists()
