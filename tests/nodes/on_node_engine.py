"""Questions to the engine, over the cluster network as everybody asks it. They run on a node, as root.

What ought to be refused is tried from source ports that no ordinary client gets, so that the engine's own log of
refusals tells our attempts from those of the services.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import socket
import ssl
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import redis

CA, CERTIFICATE, KEY = "/etc/keydb/tls/ca.crt", "/etc/keydb/tls/server.crt", "/etc/keydb/tls/server.key"
OUR_PORTS = range(61_100, 65_400)
SECONDS = 5.0
# Later releases of redis-py introduce themselves by a command that hardly any user may use.
NO_INTRODUCTION: dict[str, Any] = {
    name: None for name in ("lib_name", "lib_version") if name in signature(redis.Redis.__init__).parameters
}


def client(address: str, port: int, username: str, password: str) -> redis.Redis:
    return redis.Redis(
        host=address,
        port=port,
        username=username,
        password=password,
        ssl=True,
        ssl_ca_certs=CA,
        ssl_certfile=CERTIFICATE,
        ssl_keyfile=KEY,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        decode_responses=True,
        **NO_INTRODUCTION,
    )


def write_and_watch(own: str, addresses: dict[str, str], port: int, password: str) -> dict[str, Any]:
    """Write on this node as the user verify; which nodes then have the value, and which told of it by an event."""
    key, value = f"verify:{uuid.uuid4()}", uuid.uuid4().hex
    clients = {name: client(address, port, "verify", password) for name, address in addresses.items()}
    subscriptions = {}
    for name, each in clients.items():
        subscriptions[name] = each.pubsub()
        subscriptions[name].subscribe(f"__keyspace@0__:{key}")
        confirmation = subscriptions[name].get_message(timeout=SECONDS)
        if not confirmation or confirmation["type"] != "subscribe":
            raise RuntimeError(f"{name} did not confirm the subscription: {confirmation}")
    try:
        clients[own].set(key, value, px=60_000)
    except redis.ReadOnlyError as error:
        return {"refused": str(error), "arrived": [], "told": []}
    arrived: set[str] = set()
    told: dict[str, str] = {}
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and not len(arrived) == len(told) == len(clients):
        for name, subscription in subscriptions.items():
            message = subscription.get_message(timeout=0)
            if message and message["type"] == "message":
                told.setdefault(name, message["data"])
            if clients[name].get(key) == value:
                arrived.add(name)
    clients[own].delete(key)
    return {"refused": "", "arrived": sorted(arrived), "told": told}


def connect_from_our_port(address: str, port: int) -> socket.socket:
    """A connection from one of OUR_PORTS; the address is this node's own."""
    ephemeral = [int(each) for each in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("utf-8").split()]
    if ephemeral[1] >= OUR_PORTS.start:
        raise RuntimeError(f"clients get the ports {ephemeral} here; the tests need theirs to be above")
    for source in random.sample(OUR_PORTS, 50):
        try:
            return socket.create_connection((address, port), timeout=SECONDS, source_address=(address, source))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
    raise RuntimeError("none of 50 source ports is free")


@contextlib.contextmanager
def session(address: str, port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with connect_from_our_port(address, port) as plain, context.wrap_socket(plain, server_hostname=address) as secured:
        yield secured


def trusting(certificate: str = CERTIFICATE, key: str = KEY) -> ssl.SSLContext:
    """A client that trusts our CA only, checks the address, and shows this certificate (none if empty)."""
    context = ssl.create_default_context(cafile=CA)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def say(connection: socket.socket, *words: str) -> str:
    """The first line of the answer to a command."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        encoded = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(encoded), encoded))
    connection.sendall(b"".join(parts))
    answer = b""
    while b"\r\n" not in answer:
        received = connection.recv(4096)
        if not received:
            return "(closed)"
        answer += received
    return answer.split(b"\r\n")[0].decode()


def answers(address: str, port: int, passwords: dict[str, str], attempts: list[list[Any]]) -> list[str]:
    """First line of the answer to each attempt: a user and a command, each on a connection of its own.

    A user is authenticated first; the answer to a failed AUTH begins with ``AUTH:``. An empty user is not.
    """
    given = []
    context = trusting()
    for user, command in attempts:
        with session(address, port, context) as connection:
            if user:
                authenticated = say(connection, "AUTH", user, passwords[user])
                if authenticated != "+OK":
                    given.append(f"AUTH: {authenticated}")
                    continue
            given.append(say(connection, *command))
    return given


def outcome(address: str, port: int, context: ssl.SSLContext, wait: bool = False) -> str:
    """TLS version of a session in which the server answers, or why there is none.

    With TLS 1.3 the server judges the certificate after the client's handshake is over. With ``wait`` its verdict is
    waited for: once something is sent to a server that has closed, the verdict may be lost.
    """
    try:
        with session(address, port, context) as connection:
            if wait:
                with contextlib.suppress(TimeoutError):
                    connection.recv(1)
            answer = say(connection, "PING")
            # The server asks for a password only of those whom it talks to.
            return str(connection.version()) if answer.startswith("-NOAUTH") else f"answered {answer}"
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def tls_outcomes(address: str, port: int) -> dict[str, str]:
    """What comes of a session with each version of TLS, and with none, no and a foreign client certificate."""
    outcomes = {"any": outcome(address, port, trusting())}
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting()
        # Without this OpenSSL 3 would not even offer what is older than 1.2, and nothing would be shown.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        outcomes[version.name] = outcome(address, port, context)
    outcomes["no certificate"] = outcome(address, port, trusting(certificate=""), wait=True)
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = f"{directory}/foreign.crt", f"{directory}/foreign.key"
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=foreign"
        subprocess.run([*make.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
        outcomes["foreign certificate"] = outcome(address, port, trusting(certificate, key), wait=True)
    try:
        with connect_from_our_port(address, port) as plain:
            outcomes["plaintext"] = say(plain, "PING")
    except OSError as error:
        outcomes["plaintext"] = f"{type(error).__name__}: {error}"
    return outcomes


def refusals(address: str, port: int, password: str) -> list[dict[str, str]]:
    """The engine's log of refusals (ACL LOG) without those of our attempts."""
    asked = client(address, port, "operator", password)
    entries = []
    for flat in asked.execute_command("ACL", "LOG"):
        entry = flat if isinstance(flat, dict) else {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
        source = re.search(r"\baddr=\S+:(\d+)", str(entry["client-info"]))
        if not source or int(source.group(1)) not in OUR_PORTS:
            entries.append(
                {name: str(entry[name]) for name in ("username", "reason", "object", "context", "client-info")}
            )
    return entries
