"""Real servers on loopback, each started with nothing but the configuration that the templates became.

Debian's redis-server is always used; KeyDB where the lab would find an archive of it (LAB_KEYDB_ARCHIVE, or the
cache), or where KEYDB_SERVER names the program.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import platform
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keydb_node
import lab_engine
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from roles_render import NODES, ROLES, Rendered, render

PATIENCE = 30.0
"""Seconds that servers may take on a busy machine before a test fails."""
GUARD = ROLES / "keydb" / "files" / "keydb-guard.py"
_GUARDED = ["/usr/bin/python3", "-B", str(GUARD)]
ADDRESSES = {name: f"127.71.0.1{number}" for number, name in enumerate(NODES, start=1)}


def keydb_archive() -> Path | None:
    """An archive of KeyDB for this machine, if there is one."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keydb-lab"
    named = os.environ.get("LAB_KEYDB_ARCHIVE")
    return Path(named).expanduser() if named else lab_engine.find_archives(cache).get(architecture)


def has_keydb() -> bool:
    """Whether there is a KeyDB to test with."""
    return bool(os.environ.get("KEYDB_SERVER") or keydb_archive())


def program_of(engine: str, directory: Path) -> str:
    """Path of an engine's server; KeyDB's is unpacked into the directory."""
    if engine != "keydb":
        program = shutil.which(f"{engine}-server")
        assert program, f"{engine}-server is not installed"
        return program
    archive = keydb_archive()
    if os.environ.get("KEYDB_SERVER") or not archive:
        return os.environ["KEYDB_SERVER"]
    with tarfile.open(archive) as packed:
        (member,) = [each for each in packed.getmembers() if each.name.endswith("/bin/keydb-server")]
        member.name = "keydb-server"
        packed.extract(member, directory, filter="data")
    return str(directory / "keydb-server")


def _sign(subject: str, issuer: str, key: Any, issuer_key: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def make_certificates(directories: dict[str, Path]) -> None:
    """Give every directory, by the address that it is for, the files that the role pki would put there."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _sign("CA", "CA", ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    for address, directory in directories.items():
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = _sign(address, "CA", key, ca_key, names)
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        (directory / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / "server.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def free_port() -> int:
    """A port that is free on every node's address now, below those that clients get."""
    for port in range(16379, 26379):
        try:
            for address in ADDRESSES.values():
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


def settle(condition: Callable[[], object]) -> bool:
    """Wait for a condition, for as long as that can be of use; returns whether it came true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def eventually(condition: Callable[[], object], what: str, state: Callable[[], object] = str) -> None:
    """Wait for a condition; ``state`` says what there is instead once that was in vain."""
    assert settle(condition), f"not within {PATIENCE:g} seconds: {what}\n{state()}"


@dataclass
class Servers:
    """Three nodes of one engine, each a process of its own."""

    engine: str
    program: str
    directory: Path
    overrides: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    rendered: dict[str, Rendered] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    is_guarded: bool = True

    @property
    def is_mesh(self) -> bool:
        return self.engine == "keydb"

    def sources(self, name: str) -> list[str]:
        """Nodes that a node replicates from."""
        others = [other for other in NODES if other != name]
        return others if self.is_mesh else [other for other in others if other == NODES[0]]

    def replicas(self, name: str) -> list[str]:
        """Nodes that replicate from a node."""
        return [other for other in NODES if name in self.sources(other)]

    def is_writable(self, name: str) -> bool:
        return self.is_mesh or name == NODES[0]

    def config(self, name: str) -> Path:
        return self.directory / name / "etc" / "keydb.conf"

    def render(self) -> None:
        """Fill in the templates for directories below ours, and make what they refer to."""
        here = f"{self.directory}/{{{{ inventory_hostname }}}}"
        self.rendered = render(
            self.directory,
            {"keydb_engine": self.engine, "cluster_network_cidr": "127.71.0.0/24", "keydb_port": self.port},
            {name: {"cluster_network_address": address} for name, address in ADDRESSES.items()},
            extra={
                "_keydb_config_dir": f"{here}/etc",
                "_keydb_runtime_dir": f"{here}/run",
                "keydb_data_dir": f"{here}/data",
                "keydb_maxclients": 200,
                "keydb_maxmemory_mb": 128,
                "keydb_notify_events_extra": "xE$",
                # Without a delay for further replicas that might come.
                "keydb_extra_config": {"hz": 20, "repl-diskless-sync-delay": [0]},
                **self.overrides,
            },
        )
        passwords = (self.directory / ".secrets" / "passwords").iterdir()
        self.passwords = {path.name: path.read_text("utf-8").strip() for path in passwords}
        make_certificates({address: self.directory / name / "etc" / "tls" for name, address in ADDRESSES.items()})
        for name, rendered in self.rendered.items():
            for file in ("keydb.conf", "replication-auth.conf", "users.acl", "join.json"):
                (self.config(name).with_name(file)).write_text(rendered.files[file], "utf-8")
            (self.directory / name / "data" / self.engine).mkdir(parents=True)
            (self.directory / name / "run").mkdir()

    def start(self, name: str, config: Path | None = None) -> None:
        """Start one node; ``config`` in place of what the template became."""
        # Without the manager's socket it has nobody to tell that it is ready; that is no error.
        environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        with (self.directory / name / "log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [
                    *(_GUARDED if self.is_mesh and self.is_guarded else []),
                    self.program,
                    str(config or self.config(name)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait(PATIENCE)

    def log(self, name: str) -> str:
        return (self.directory / name / "log").read_text("utf-8", errors="replace")

    def connection(self, name: str, user: str = "health") -> dict[str, Any]:
        """Parameters of the role's modules for a node."""
        tls = self.directory / name / "etc" / "tls"
        return {
            "address": ADDRESSES[name],
            "port": self.port,
            "username": user,
            "password": self.passwords[user],
            "ca": str(tls / "ca.crt"),
            "certificate": str(tls / "server.crt"),
            "key": str(tls / "server.key"),
        }

    def missing(self, name: str) -> dict[str, str]:
        """What a node still lacks, as the module keydb_ready sees it."""
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended by itself:\n{self.log(name)}"
        links = {"sources": self.sources(name), "replicas": self.replicas(name)}
        peers = {kind: [ADDRESSES[each] for each in names] for kind, names in links.items()}
        try:
            return keydb_node.look({**self.connection(name), **peers})[1]
        except (redis.RedisError, OSError) as error:
            return {"server": str(error)}

    def wait_until_ready(self) -> None:
        for name in NODES:
            eventually(
                lambda name=name: not self.missing(name),
                f"{self.engine} on {name} is ready",
                lambda name=name: "\n".join(
                    [f"{self.missing(name)}", *(f"{each}:\n{self.log(each)}" for each in NODES)]
                ),
            )
