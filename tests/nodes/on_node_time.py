"""Questions about chronyd and what it serves. They run on a node, as root."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

NTP_PORT = 123
# Version 4, mode 3: a client's question, RFC 5905, section 7.3.
QUESTION = bytes([0x23]) + bytes(47)


def _output(*command: str, failing: tuple[int, ...] = ()) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, *failing):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def describe_chronyd() -> dict[str, object]:
    """Its unit, command, capabilities, configuration, and whether this host is a container."""
    shown = _output("systemctl", "show", "--property=ActiveState,UnitFileState,MainPID", "chrony.service")
    unit = dict(line.split("=", 1) for line in shown.splitlines())
    command = Path("/proc", unit["MainPID"], "cmdline").read_bytes().decode().split("\0")[:-1]
    status = Path("/proc", unit["MainPID"], "status").read_text("utf-8")
    (permitted,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:")]
    return {
        "state": unit["ActiveState"],
        "at_boot": unit["UnitFileState"],
        "command": command,
        # CAP_SYS_TIME is number 25 in linux/capability.h.
        "may_set_the_clock": bool(int(permitted, 16) >> 25 & 1),
        "container": _output("systemd-detect-virt", "--container", failing=(1,)).strip() != "none",
        "config": Path("/etc/chrony/keydb-cluster.conf").read_text("utf-8"),
    }


def tracking() -> list[str]:
    """Fields of ``chronyc -c -n tracking``, asked as the observers ask: at the loopback address."""
    return _output("chronyc", "-h", "127.0.0.1", "-c", "-n", "tracking").strip().split(",")


def udp_listeners() -> list[str]:
    """Addresses and ports on which chronyd takes questions."""
    lines = _output("ss", "--no-header", "--listening", "--udp", "--numeric", "--processes").splitlines()
    return sorted(line.split()[3] for line in lines if '(("chronyd"' in line)


def ask_the_time(address: str, source: str, timeout: float = 1.5) -> str:
    """``stratum N`` from an NTP server's answer to a question that leaves by ``source``, or why there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.bind((source, 0))
        try:
            sock.connect((address, NTP_PORT))
            sock.send(QUESTION)
            answer = sock.recv(1024)
        except OSError as error:
            return type(error).__name__
    return f"stratum {answer[1]}"


def checksum(path: str) -> str:
    return _output("sha256sum", path).split()[0]


def clock_beside(other: str) -> bool:
    """Whether no time daemon but chronyd is installed; ``other`` is one."""
    return not Path(f"/usr/lib/systemd/{other}").exists()
