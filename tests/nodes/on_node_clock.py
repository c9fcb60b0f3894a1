"""A slow path from chronyd to its server, and what the host then says of its clock. Runs on a node, as root."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from pathlib import Path

NTP_PORT = 123
LARGEST = 1024
FACTS_UNIT, FACTS_FILE = "keydb-node-facts.service", Path("/run/keydb-node-facts/node.prom")
CHRONY_UNIT = "chrony.service"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def follow(address: str, wait: float, at_most_s: float = 1.0) -> None:
    """Wait until the clock is measured by the answers of this source, and off by so much at most."""
    deadline = time.monotonic() + wait
    while True:
        # chronyc(1): reference, offset, root delay and root dispersion in s, and whether it is synchronised.
        said = run("chronyc", "-c", "-n", "tracking").strip().split(",")
        bound_s = abs(float(said[4])) + float(said[11]) + float(said[10]) / 2
        if said[1] == address and said[-1] == "Normal" and bound_s < at_most_s:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"does not follow {address} after {wait:g} s: {said}")
        time.sleep(0.25)


class SlowPath:
    """Passes datagrams to a server and its answers back, each after so many seconds."""

    def __init__(self, address: str, server: str, delay_s: float) -> None:
        self._delay_s = delay_s
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((address, 0))
        self.port: int = self._front.getsockname()[1]
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.bind((address, 0))
        self._back.connect((server, NTP_PORT))
        self._asker: tuple[str, int] | None = None
        for passing in (self._ask, self._answer):
            threading.Thread(target=passing, daemon=True).start()

    def _ask(self) -> None:
        while True:
            data, self._asker = self._front.recvfrom(LARGEST)
            time.sleep(self._delay_s)
            self._back.send(data)

    def _answer(self) -> None:
        while True:
            data = self._back.recv(LARGEST)
            time.sleep(self._delay_s)
            if self._asker:
                self._front.sendto(data, self._asker)


def facts() -> str:
    """What the node tells of itself now."""
    run("systemctl", "start", FACTS_UNIT)
    return FACTS_FILE.read_text("utf-8")


def facts_behind_a_slow_path(address: str, server: str, delay_s: float, wait: float) -> list[str]:
    """The node's facts while chronyd hears its server over such a path only, and when all is as it was before."""
    path = SlowPath(address, server, delay_s)
    try:
        run("chronyc", "add", "server", address, "port", str(path.port), "iburst", "minpoll", "-2", "maxpoll", "0")
        run("chronyc", "delete", server)
        follow(address, wait)
        behind = facts()
    finally:
        run("systemctl", "restart", CHRONY_UNIT)
        follow(server, wait, at_most_s=delay_s / 8)
    return [behind, facts()]


def rules(path: str) -> str:
    """The alerts as Prometheus has them."""
    return Path(path).read_text("utf-8")
