"""An engine's process on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.certificates import Certificates
from bench.engines import Engine, NoEngineError
from bench.job import HOST

_START_WITHIN_S = 20.0
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True)
class Server:
    """One that runs. It speaks plainly on ``port`` and TLS on ``tls_port``; ``arguments`` are as it was started."""

    port: int
    tls_port: int
    arguments: list[str]
    pid: int
    client: redis.Redis

    def empty(self) -> None:
        """Forgets all keys."""
        self.client.flushall()

    def cpu_s(self) -> float:
        """CPU time that it has used."""
        # proc(5): the command may hold spaces and brackets; after it, the 12th and 13th fields are utime and stime.
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(engine: Engine, certificates: Certificates | None, directory: Path) -> Iterator[Server]:
    """A server of this engine, which keeps nothing on disk. Without certificates it speaks no TLS.

    Raises NoEngineError when it does not start.
    """
    port, tls_port = _free_ports()
    # All else is the engine's own default.
    arguments = ["--port", str(port), "--bind", HOST, "--dir", str(directory), "--daemonize", "no"]
    arguments += ["--save", "", "--appendonly", "no", "--notify-keyspace-events", "K$g"]
    if certificates:
        arguments += ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
        arguments += ["--tls-ca-cert-file", str(certificates.ca)]
        arguments += ["--tls-cert-file", str(certificates.certificate), "--tls-key-file", str(certificates.key)]
    log = directory / f"{engine.name}.log"
    with log.open("wb") as out, redis.Redis(HOST, port, socket_timeout=_START_WITHIN_S) as client:
        process = subprocess.Popen([*engine.launcher, engine.binary, *arguments], stdout=out, stderr=out)
        try:
            _await_start(engine, process, client, log)
            yield Server(port, tls_port, arguments, process.pid, client)
        finally:
            _stop(process)


def _await_start(engine: Engine, process: subprocess.Popen[bytes], client: redis.Redis, log: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            client.ping()
        except redis.RedisError:
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip().splitlines()
                raise NoEngineError(
                    f"{engine.label} did not start: {said[-1] if said else 'it said nothing'}"
                ) from None
            time.sleep(0.02)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
