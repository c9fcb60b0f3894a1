"""Opening a plaintext port on purpose, speaking to one, and what a capture has left. They run on a node, as root."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

SERVER, SPEAKER = "nodes-test-plaintext", "nodes-test-speaker"
SPEAK = """
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1) as connection:
            connection.sendall(b"*3\\r\\n$3\\r\\nSET\\r\\n$4\\r\\nopen\\r\\n$6\\r\\nsecret\\r\\n")
            connection.recv(100)
    except OSError:
        pass
    time.sleep(0.5)
"""


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def open_port(address: str, port: int) -> None:
    """Runs the engine's own program once more, in the clear, until it is closed or ten minutes are over."""
    # By the name that it was started with: Debian has one file of several names, which does as it is called. Another
    # program may come before it, which becomes it.
    started = _run("systemctl", "show", "--property=ExecStart", "--value", "keydb-server.service")
    program = re.findall(r"/\S*-server(?=\s)", started)[0]
    options = ["--port", str(port), "--bind", address, "--protected-mode", "no", "--save", ""]
    unit = ["--unit", SERVER, "--property", "RuntimeMaxSec=600", "--property", "DynamicUser=yes"]
    _run("systemd-run", "--quiet", "--collect", *unit, program, *options)


def speak_to(address: str, port: int) -> None:
    """Writes there twice a second, until it is stopped or ten minutes are over."""
    unit = ["--unit", SPEAKER, "--property", "RuntimeMaxSec=600", "--property", "DynamicUser=yes"]
    _run("systemd-run", "--quiet", "--collect", *unit, "python3", "-c", SPEAK, address, str(port))


def close_all() -> None:
    """Ends both, where they run."""
    subprocess.run(["systemctl", "stop", SERVER, SPEAKER], check=False, capture_output=True)


def packages() -> list[str]:
    """What is installed."""
    return _run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n").splitlines()


def left() -> list[str]:
    """What there still is of a capture."""
    units = _run("systemctl", "list-units", "--all", "--plain", "--no-legend", "keydb-capture*").split("\n")
    paths = [str(path) for path in (Path("/run/keydb-capture"),) if path.exists()]
    processes = subprocess.run(["pgrep", "-a", "tcpdump"], check=False, capture_output=True, text=True).stdout
    return [*filter(None, units), *paths, *processes.splitlines()]
