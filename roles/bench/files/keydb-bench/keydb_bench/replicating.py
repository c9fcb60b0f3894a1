"""Writes that wait for every node, so that they go as fast as all of them can and no buffer of theirs runs over.

A batch of writes is followed by a WAIT for all replicas, and the next batch by its answer. For the time until the last
node has a write it is one write at a time.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keydb_bench import units
from keydb_bench.engine_config import USER
from keydb_bench.host import PROGRAM, CommandError, Host

_TIMEOUT_S = 20.0
_WAIT_MS = 10_000
_LINKS_WITHIN_S = 40.0
_LOOK_S = 0.1
_LATE_S = 90.0
_PERCENTS = (50, 99)
_PIECE = 1 << 16


def replicate(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Write to one node for ``seconds``, waiting for ``replicas``. Raises CommandError."""
    tls, authentication = given["tls"], given["authentication"]
    properties = ["DynamicUser=yes", *units.credentials(host, tls=tls, authentication=authentication)]
    command = units.arguments(host, units.WORK, "Writes of a benchmark", *properties)
    command += [
        "--wait",
        "--pipe",
        "python3",
        "-B",
        str(PROGRAM / "run.py"),
        "inner_replicate",
        json.dumps(dict(given)),
    ]
    found: dict[str, Any] = json.loads(host.run(*command, within_s=given["seconds"] + _LINKS_WITHIN_S + _LATE_S))
    if found.get("problem"):
        raise CommandError(found["problem"])
    return found


def inner_replicate(host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """The same from inside of the unit."""
    try:
        with _connected(host, given) as connection:
            client = _Client(connection)
            if given["authentication"]:
                client.authenticate(Path(units.credential(units.WORK, "password")).read_bytes().strip())
            client.await_links(f"{given['prefix']}0", given["replicas"])
            return _measured(client, given)
    except (OSError, CommandError) as error:
        return {"problem": f"{given['server']}: {error}"}


def _connected(host: Host, given: Mapping[str, Any]) -> socket.socket:
    plain = socket.create_connection((given["server"], host.first_port), _TIMEOUT_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not given["tls"]:
        return plain
    context = ssl.create_default_context(cafile=f"{host.client_tls}/ca.crt")
    context.load_cert_chain(f"{host.client_tls}/client.crt", units.credential(units.WORK, "client.key"))
    return context.wrap_socket(plain, server_hostname=given["server"])


def _measured(client: _Client, given: Mapping[str, Any]) -> dict[str, Any]:
    """``writes`` in ``elapsed_s``, and percentiles of the time in ms that a batch needed to be everywhere."""
    batch, replicas = given["batch"], given["replicas"]
    values = _batches(given["prefix"], given["keys"], given["size"], batch, replicas)
    warmed = 0
    warm_until = time.monotonic() + given["warmup_s"]
    while time.monotonic() < warm_until:
        client.write(next(values), batch, replicas)
        warmed += batch
    began, writes, took_ms = time.monotonic(), 0, []
    until = began + given["seconds"]
    while (now := time.monotonic()) < until:
        client.write(next(values), batch, replicas)
        took_ms.append((time.monotonic() - now) * 1000)
        writes += batch
        if given["pause_s"]:
            time.sleep(given["pause_s"])
    elapsed_s = time.monotonic() - began
    took_ms.sort()
    percentiles = [took_ms[min(len(took_ms) - 1, percent * len(took_ms) // 100)] for percent in _PERCENTS]
    return {
        "writes": writes,
        "all_writes": warmed + writes,
        "elapsed_s": elapsed_s,
        "p50_ms": percentiles[0],
        "p99_ms": percentiles[1],
    }


def _batches(prefix: str, keys: int, size: int, batch: int, replicas: int) -> Iterator[bytes]:
    value = b"$%d\r\n%b\r\n" % (size, b"x" * size)
    wait = _packed(b"WAIT", str(replicas).encode(), str(_WAIT_MS).encode()) if replicas else b""
    number = 0
    made: dict[int, bytes] = {}
    while True:
        if number not in made:
            # Each key has its one writer, and there are so few that memory stays flat.
            names = [f"{prefix}{(number + place) % keys}".encode() for place in range(batch)]
            sets = (b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n%b" % (len(name), name, value) for name in names)
            made[number] = b"".join(sets) + wait
        yield made[number]
        number = (number + batch) % keys


def _packed(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class _Client:
    """A connection to a server. All raise OSError and CommandError."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""

    def authenticate(self, password: bytes) -> None:
        """As the user of this run."""
        self._socket.sendall(_packed(b"AUTH", USER.encode(), password))
        self._line()

    def await_links(self, key: str, replicas: int) -> None:
        """Until so many have everything, which WAIT tells of a write."""
        deadline = time.monotonic() + _LINKS_WITHIN_S
        while True:
            self._socket.sendall(_packed(b"SET", key.encode(), b"0"))
            self._line()
            self._socket.sendall(_packed(b"WAIT", str(replicas).encode(), b"500"))
            found = self._number()
            if found >= replicas:
                return
            if time.monotonic() > deadline:
                raise CommandError(f"{found} of {replicas} nodes replicate from it after {_LINKS_WITHIN_S:g} s")
            time.sleep(_LOOK_S)

    def write(self, data: bytes, batch: int, replicas: int) -> None:
        """One batch, until all nodes have it."""
        self._socket.sendall(data)
        for _ in range(batch):
            self._line()
        if replicas and (found := self._number()) < replicas:
            raise CommandError(f"only {found} of {replicas} nodes have confirmed a write within {_WAIT_MS} ms")

    def _number(self) -> int:
        return int(self._line()[1:])

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            received = self._socket.recv(_PIECE)
            if not received:
                raise CommandError("the server has closed the connection")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\r\n")
        if line.startswith(b"-"):
            raise CommandError(line[1:].decode(errors="replace"))
        return line
