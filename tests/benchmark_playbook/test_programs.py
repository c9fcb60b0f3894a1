"""What runs inside of a run's units, on real servers on loopback, configured as a run configures them.

Debian's redis-server is always used. When KEYDB_SERVER names a KeyDB binary, beside its keydb-benchmark, that is too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from app_certificates import Certificates
from keydb_bench import units
from keydb_bench.engine_config import Variant, configuration, users
from keydb_bench.host import CommandError, Host
from keydb_bench.linking import busy, inner_sink, link
from keydb_bench.replicating import inner_replicate
from keydb_bench.tools import inner_tools
from test_servers import ENGINES, HOST, PASSWORD

PROJECT = Path(__file__).resolve().parents[2]
LISTENER = PROJECT / "roles" / "bench" / "files" / "keydb-bench" / "listener.py"
BINARIES = {"redis": ("redis-server", "redis-benchmark")}
if os.environ.get("KEYDB_SERVER"):
    server = Path(os.environ["KEYDB_SERVER"])
    BINARIES["keydb"] = (str(server), str(server.with_name("keydb-benchmark")))
PATIENCE_S = 30.0


def variant_of(engine: str, **changes: Any) -> Variant:
    given = {"engine": engine, "tls": True, "authentication": True, "persistence": True, "threads": 1}
    return Variant.of(given | {"scheduling": "other"} | changes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def host_at(directory: Path, address: str, port: int) -> Host:
    found = {name: dict(engine) for name, engine in ENGINES.items()}
    for name, (program, tool) in BINARIES.items():
        found[name] |= {"server": program, "benchmark": tool}
    state = directory / address
    (state / "data").mkdir(parents=True)
    tls = str(directory)
    return replace(
        HOST,
        address=address,
        first_port=port,
        server_tls=tls,
        client_tls=tls,
        state=str(state),
        data=str(state / "data"),
        engines=found,
    )


@contextlib.contextmanager
def serving(host: Host, variant: Variant) -> Iterator[None]:
    (host.state_dir / "server.conf").write_text(configuration(host, variant, PASSWORD), encoding="utf-8")
    (host.state_dir / "users.acl").write_text(users(variant, PASSWORD), encoding="utf-8")
    command = [host.engines[variant.engine]["server"], str(host.state_dir / "server.conf")]
    with (host.state_dir / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection((host.address, host.first_port), 1).close()
                    break
                assert process.poll() is None, (host.state_dir / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield
        finally:
            # One that writes its first append-only file heeds no gentler signal.
            process.kill()


@pytest.fixture(name="directory")
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = Certificates.create(tmp_path)
    shutil.copy(made.client.key, tmp_path / "credential-client.key")
    (tmp_path / "credential-password").write_text(PASSWORD, encoding="utf-8")
    monkeypatch.setattr(units, "credential", lambda _unit, name: str(tmp_path / f"credential-{name}"))
    return tmp_path


@pytest.mark.parametrize("engine", BINARIES)
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("authentication", [True, False])
def test_the_engines_tool_measures_in_every_way(engine: str, tls: bool, authentication: bool, directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    works = [
        {"operation": operation, "size": 64, "pipeline": pipeline, "connections": 5, "tool_threads": 1}
        for operation, pipeline in (("set", 1), ("get", 8))
    ]
    order = {"server": host.address, "tls": tls, "authentication": authentication, "engine": engine}
    with serving(host, variant_of(engine, tls=tls, authentication=authentication)):
        found = inner_tools(host, order | {"works": works, "seconds": 0.3})
    assert "problem" not in found, found
    assert [each["operation"] for each in found["works"]] == ["set", "get"]
    assert all(each["rate"] > 100 and each["p99_ms"] >= each["p50_ms"] > 0 for each in found["works"])


@pytest.mark.parametrize("engine", BINARIES)
def test_a_tool_without_the_password_is_refused(engine: str, directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    works = [{"operation": "set", "size": 64, "pipeline": 1, "connections": 1, "tool_threads": 1}]
    order = {"server": host.address, "tls": True, "authentication": False, "engine": engine, "works": works}
    with serving(host, variant_of(engine)):
        assert "problem" in inner_tools(host, order | {"seconds": 0.3})


def writing(host: Host, **changes: Any) -> dict[str, Any]:
    given = {"server": host.address, "tls": False, "authentication": True, "replicas": 0, "batch": 20, "pause_s": 0.0}
    return given | {"prefix": "load:node1:", "keys": 100, "size": 64, "warmup_s": 0.1, "seconds": 0.5} | changes


@pytest.mark.parametrize("engine", BINARIES)
def test_writes_are_counted_once_they_are_everywhere(engine: str, directory: Path) -> None:
    port = free_port()
    one, other = (host_at(directory, address, port) for address in ("127.0.0.1", "127.0.0.2"))
    is_mesh = engine == "keydb"
    first = variant_of(engine, tls=False, is_mesh=is_mesh, sources=["127.0.0.2"] if is_mesh else [])
    second = variant_of(engine, tls=False, is_mesh=is_mesh, sources=["127.0.0.1"])
    with serving(one, first), serving(other, second):
        found = inner_replicate(one, writing(one, replicas=1))
    assert "problem" not in found, found
    assert found["writes"] > 100
    assert found["all_writes"] > found["writes"]
    assert 0.5 <= found["elapsed_s"] < 5
    assert found["p99_ms"] >= found["p50_ms"] > 0


def test_over_tls_and_alone(directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    with serving(host, variant_of("redis")):
        found = inner_replicate(host, writing(host, tls=True))
        refused = inner_replicate(host, writing(host, tls=True, authentication=False))
    assert found["writes"] > 100
    assert "NOAUTH" in refused["problem"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_listener_accounts_for_every_write_of_a_load(mode: str, directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "app" / "src")}
    seen = directory / "seen"
    seen.mkdir()
    options = units.client_options(host, units.WORK, tls=True, authentication=True)
    node = f"127.0.0.1:{host.first_port}"
    listener = [sys.executable, str(LISTENER), "--mode", mode, "--node", node, "--key", "load:*", "--name", "bench"]
    listener += ["--writes", "1000", "--step-ns", str(10 * 1e9 / 500), "--warmup-ns", str(10**9)]
    load = [sys.executable, "-m", "keydb_observer", "load", "--node", node, "--rate", "500", "--keys", "10"]
    load += ["--duration", "2", "--no-progress", "--output", str(directory / "load.json")]
    with serving(host, variant_of("redis")):
        with subprocess.Popen([*listener, "--directory", str(seen), *options], env=environment) as process:
            deadline = time.monotonic() + PATIENCE_S
            while not (seen / "ready").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            subprocess.run([*load, *options], env=environment, check=True, timeout=60)
            process.wait(PATIENCE_S)
        found = json.loads((seen / "result.json").read_text("utf-8"))
    assert (found["accounted"], found["events"], found["missed"]) == (1000, 1000, 0)
    assert found["handled"] == pytest.approx(500, abs=20)
    assert 0 < dict(found["percentiles"])[50.0] < 10**9


def test_a_listener_that_is_told_to_end_says_what_it_has_seen(directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    options = units.client_options(host, units.WORK, tls=True, authentication=True)
    listener = [sys.executable, str(LISTENER), "--mode", "sync", "--node", f"127.0.0.1:{host.first_port}"]
    listener += ["--key", "load:*", "--name", "bench", "--writes", "10", "--step-ns", "1e6", "--warmup-ns", "0"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "app" / "src")}
    with serving(host, variant_of("redis")):
        command = [*listener, "--directory", str(directory), *options]
        with subprocess.Popen(command, env=environment) as process:
            deadline = time.monotonic() + PATIENCE_S
            while not (directory / "ready").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
    assert json.loads((directory / "result.json").read_text("utf-8"))["accounted"] == 0


def test_the_link_is_measured_by_what_arrived(directory: Path) -> None:
    host = host_at(directory, "127.0.0.1", free_port())
    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(inner_sink, host, {})
        found = link(host, {"peer": "127.0.0.1", "seconds": 0.2})
        received = receiving.result(PATIENCE_S)["received"]
    assert found["mbits"] > 10
    # It lasted for at least as long as was asked for.
    assert found["mbits"] * 1e6 / 8 * 0.2 <= received


def test_a_link_to_nobody_is_a_problem(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keydb_bench.linking._CONNECT_WITHIN_S", 0.2)
    with pytest.raises(CommandError, match=r"no connection to 127\.0\.0\.1"):
        link(host_at(directory, "127.0.0.1", free_port()), {"peer": "127.0.0.1", "seconds": 0.1})


def test_others_work_is_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            share = busy(HOST, {"seconds": 0.5})["share"]
        finally:
            process.kill()
    assert 0.5 / (os.cpu_count() or 1) < share <= 1
