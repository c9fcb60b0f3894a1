"""Captures of the loopback interface, made by the tests themselves, and what the judge makes of them."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import redis
from app_harness import PATIENCE, Server, eventually, free_port

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "capture" / "files" / "keydb-capture"
MARKER = "0123456789abcdef0123456789abcdef"


@cache
def why_not() -> str:
    """Why this machine cannot capture; empty if it can."""
    missing = [program for program in ("tcpdump", "tshark") if not shutil.which(program)]
    if missing:
        return f"{' and '.join(missing)} not installed"
    tried = (
        subprocess.run(
            ["timeout", "5", "tcpdump", "-i", "lo", "-c", "1", "-w", "/dev/null", "udp port 9"],
            capture_output=True,
            text=True,
            check=False,
        )
        if os.geteuid()
        else None
    )
    return f"no leave to capture: {tried.stderr.strip()}" if tried and "listening on" not in tried.stderr else ""


@dataclass
class Wire:
    """A run of one node, whose engine is ``server`` and whose cluster network is loopback."""

    directory: Path
    server: Server
    ports: list[int] = field(default_factory=list)
    listeners: list[dict[str, Any]] = field(default_factory=list)
    exempt: list[dict[str, Any]] = field(default_factory=list)
    traffic: dict[str, Any] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    _tcpdump: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir()

    @property
    def pcap(self) -> Path:
        return self.directory / "here.pcap"

    def start(self, *ports: int) -> None:
        """Captures what is spoken at the engine's port and these, and nothing else that the machine may do."""
        # The server's own harness says goodbye before, not meanwhile.
        gc.collect()
        time.sleep(0.1)
        expression = " or ".join(f"tcp port {port}" for port in (self.server.port, *ports))
        said = self.directory / "said"
        with said.open("wb") as log:
            command = ["tcpdump", "-i", "lo", "--immediate-mode", "-B", "32768", "-U", "-n", "-Z", "root"]
            command += ["-w", str(self.pcap), expression]
            self._tcpdump = subprocess.Popen(command, stderr=log)
        eventually(lambda: "listening on" in said.read_text(), "tcpdump captures")
        self.traffic |= {"begun_ns": time.time_ns()}

    def stop(self) -> None:
        """Ends the capture, with everything in its file that was spoken up to now."""
        assert self._tcpdump
        self.traffic |= {"ended_ns": time.time_ns()}
        time.sleep(0.3)
        self._tcpdump.send_signal(signal.SIGINT)
        self._tcpdump.wait(PATIENCE)
        self._tcpdump = None

    def close(self) -> None:
        if self._tcpdump:
            self._tcpdump.kill()
            self._tcpdump.wait(PATIENCE)

    def write(self, client: redis.Redis, times: int) -> None:
        """Writes the marker so many times."""
        for _ in range(times):
            client.set("verify:key", MARKER)
        self.traffic |= {"marker": MARKER, "written": times, "writes_seen": times, "problems": []}

    def judge(self, verdict: str | None = None) -> dict[str, Any]:
        """What the program says of it, run as the playbook runs it."""
        run = {
            "taken_at": "2026-01-01T00:00:00Z",
            "seconds": 5,
            "largest_bytes": 50_000_000,
            "port": self.server.port,
            "network": "127.0.0.0/8",
            "addresses": {"here": "127.0.0.1", **self.others},
            "exempt": self.exempt,
            "left_out": ["SSH (port 22)"],
            "captured": {
                "here": {
                    "address": "127.0.0.1",
                    "pcap": self.pcap.name,
                    "interface": "lo",
                    "said": (self.directory / "said").read_text(),
                    "traffic": self.traffic,
                    "listeners": self.listeners,
                }
            },
        }
        (self.directory / "run.json").write_text(json.dumps(run))
        done = subprocess.run(
            [sys.executable, "-m", "keydb_capture", str(self.directory)],
            env=os.environ | {"PYTHONPATH": str(PROGRAM)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        result: dict[str, Any] = json.loads((self.directory / "result.json").read_text())
        assert (result["verdict"] == "holds") == (done.returncode == 0), done.stdout
        result["table"] = done.stdout
        assert verdict in (None, result["verdict"]), done.stdout
        return result


@contextmanager
def answering(answer: bytes, port: int | None = None) -> Iterator[int]:
    """A port at which every connection is answered with this, once it has said something."""
    with socket.create_server(("127.0.0.1", port or free_port())) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(PATIENCE)
                    if connection.recv(65536):
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def say(port: int, words: bytes) -> bytes:
    """Says this to a port of loopback, and returns what it answers until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(words)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer
