"""The least that any listener in Python has to do: take events off a socket and apart. It reads no value."""

from __future__ import annotations

import socket
import time

import hiredis

from bench.job import HOST, PATTERN, Job
from bench.record import NO_KEY, Recorder

_CHUNK = 1 << 16


def listen(job: Job, recorder: Recorder) -> None:
    """Counts events."""
    connection = socket.create_connection((HOST, job.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = job.tls_context()
    if context:
        connection = context.wrap_socket(connection, server_hostname=HOST)
    connection.sendall(f"PSUBSCRIBE {PATTERN}\r\n".encode())
    reader = hiredis.Reader()
    events = 0
    while True:
        data = connection.recv(_CHUNK)
        seen_ns = time.time_ns()
        if not data:
            raise ConnectionError("the server closed it")
        before = events
        reader.feed(data)
        while (item := reader.gets()) is not False:
            if item[0] == b"pmessage":
                events += 1
            else:
                recorder.ready()
        if events > before:
            recorder.events = events
            recorder.handled(NO_KEY, before + 1, events, seen_ns, time.time_ns())
