"""Real servers on loopback, and the program as a process, for the tests of the app.

Debian's redis-server is always used. When KEYDB_SERVER names a KeyDB binary, every test that needs a server runs on it
as well.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from app_certificates import Certificates
from keydb_observer import Observer, SharedValue

SOURCES = Path(__file__).parents[2] / "app" / "src"

PATIENCE = 20.0
"""Seconds that anything may take on a busy machine before a test fails. A passing test waits much shorter."""

ENGINES = {"redis": shutil.which("redis-server")}
if os.environ.get("KEYDB_SERVER"):
    ENGINES["keydb"] = os.environ["KEYDB_SERVER"]


def eventually(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Waits until the condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience:g} seconds: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def written(seq: int, epoch: int = 1, writer: str = "test") -> bytes:
    """What a writer would write now."""
    return SharedValue(writer, epoch, seq, time.time_ns()).encode()


@dataclass
class Server:
    """An engine's server process on a port of its own."""

    engine: str
    directory: Path
    arguments: tuple[str, ...] = ()
    certificates: Certificates | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = ENGINES[self.engine]
        assert binary, "redis-server is not installed: apt install redis-server"
        plain, tls = (self.port, 0) if self.certificates is None else (0, self.port)
        command = [binary, "--port", str(plain), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        command += ["--appendonly", "no", "--daemonize", "no", "--notify-keyspace-events", "K$g", *self.arguments]
        if self.certificates:
            command += ["--tls-port", str(tls), "--tls-ca-cert-file", str(self.certificates.ca)]
            command += ["--tls-cert-file", str(self.certificates.server.certificate)]
            command += ["--tls-key-file", str(self.certificates.server.key), "--tls-auth-clients", "yes"]
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers, f"{self.engine} answers")

    def _answers(self) -> bool:
        try:
            return bool(self.admin().ping())
        except redis.RedisError:
            log = (self.directory / "server.log").read_text(errors="replace")
            assert self.process
            assert self.process.poll() is None, f"{self.engine} ended by itself:\n{log}"
            return False

    def admin(self) -> redis.Redis:
        """A client that may do everything."""
        if self.certificates is None:
            return redis.Redis(port=self.port, socket_timeout=PATIENCE)
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            socket_timeout=PATIENCE,
            ssl=True,
            ssl_ca_certs=str(self.certificates.ca),
            ssl_certfile=str(self.certificates.client.certificate),
            ssl_keyfile=str(self.certificates.client.key),
        )

    def send(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None


class Process:
    """A program with the package in its path, and what it has said so far."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=program_environment() | (environment or {}),
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def matching(self, pattern: str) -> list[re.Match[str]]:
        return [match for match in (re.search(pattern, line) for line in self.lines) if match]

    def says(self, pattern: str, times: int = 1, patience: float = PATIENCE) -> re.Match[str]:
        """Waits until a line matches, for the nth time; returns that match."""
        try:
            eventually(lambda: len(self.matching(pattern)) >= times, pattern, patience)
        except AssertionError as error:
            raise AssertionError("\n  ".join([f"{error}; it said", *self.lines])) from None
        return self.matching(pattern)[times - 1]

    def terminate(self) -> int:
        """Sends SIGTERM and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)


class Program(Process):
    """keydb-observer as a process."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        super().__init__([sys.executable, "-m", "keydb_observer", *arguments], environment)


def program_environment() -> dict[str, str]:
    """Ours, without options for the program and without a journal."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KEYDB_OBSERVER_") and name != "JOURNAL_STREAM"
    }
    return kept | {"PYTHONPATH": str(SOURCES)}


def run_program(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "keydb_observer", *arguments],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        env=program_environment() | (environment or {}),
    )


StartServer = Callable[..., Server]
StartProgram = Callable[..., Program]
Observe = Callable[..., Observer]


@contextmanager
def meanwhile(act: Callable[[threading.Event], None]) -> Iterator[None]:
    """Lets something happen in a thread of its own, which is told when it is over."""
    over = threading.Event()
    thread = threading.Thread(target=act, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
