"""How fast the link between two hosts is, in fact: what a port was negotiated at says nothing of a slow path."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

from keydb_bench import units
from keydb_bench.host import PROGRAM, CommandError, Host

_PIECE = 1 << 17
_CONNECT_WITHIN_S = 10.0
_BITS_PER_MBIT = 1_000_000 / 8
_IDLE_S = 20.0


def sink(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Start who receives, once."""
    units.stop(host, [units.SINK])
    properties = ["DynamicUser=yes"]
    command = units.arguments(host, units.SINK, "Receiver of a benchmark", *properties)
    host.run(*command, "python3", "-B", str(PROGRAM / "run.py"), "inner_sink")
    return {}


def inner_sink(host: Host, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Receive from one sender to its end, and tell it how much that was."""
    with socket.create_server((host.address, host.first_port + 1)) as listening:
        listening.settimeout(_IDLE_S)
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(_IDLE_S)
            buffer = bytearray(_PIECE)
            received = 0
            while count := connection.recv_into(buffer):
                received += count
            connection.sendall(b"%d" % received)
    return {"received": received}


def link(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Send to ``peer`` for ``seconds``. Returns ``mbits``, in Mbit/s of payload; raises CommandError."""
    deadline = time.monotonic() + _CONNECT_WITHIN_S
    data = bytes(_PIECE)
    while True:
        try:
            sending = socket.create_connection((given["peer"], host.first_port + 1), _CONNECT_WITHIN_S)
        except OSError as error:
            if time.monotonic() > deadline:
                raise CommandError(f"no connection to {given['peer']}: {error}") from None
            time.sleep(0.1)
            continue
        break
    with sending:
        try:
            began = time.monotonic()
            while time.monotonic() < began + given["seconds"]:
                sending.sendall(data)
            sending.shutdown(socket.SHUT_WR)
            received = int(sending.recv(64))
        except (OSError, ValueError) as error:
            raise CommandError(f"the transfer to {given['peer']} broke off: {error}") from None
        elapsed_s = time.monotonic() - began
    return {"mbits": received / elapsed_s / _BITS_PER_MBIT}


def busy(_host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """The ``share`` of all processors' time, 0 to 1, that others use within ``seconds``."""
    before = _times()
    time.sleep(given["seconds"])
    after = _times()
    total, idle = (now - then for now, then in zip(after, before, strict=True))
    return {"share": 1 - idle / total if total else 0.0}


def _times() -> tuple[int, int]:
    """All processors' time so far, and the idle part of it, in ticks: proc(5)."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - a line of a file that is made anew
        numbers = [int(word) for word in file.readline().split()[1:9]]
    return sum(numbers), numbers[3] + numbers[4]
