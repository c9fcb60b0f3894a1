"""What a server of a run is configured with: as the cluster's own, but for what is compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keydb_bench.host import Host

USER = "bench"
# What keydb-observer load, its listeners and the engines' own tools do, and what the others ask with.
_COMMANDS = "+ping +info +get +mget +set +mset +wait +subscribe +psubscribe +config|get"
_REPLICATION = "+psync +sync +replconf"
_MEGABYTE = 1 << 20
# A node that is this far behind is cut off. Loads of a run stay far below, because they wait for all nodes.
_REPLICA_BUFFER_MB = 256
_BACKLOG_MB = 64


@dataclass(frozen=True)
class Variant:
    """One way to run an engine. ``sources`` are addresses to replicate from; with others there is a mesh."""

    engine: str
    tls: bool
    authentication: bool
    persistence: bool
    threads: int
    scheduling: str
    sources: Sequence[str] = ()
    is_mesh: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Variant:
        """As an order has it."""
        return cls(**{name: given[name] for name in cls.__dataclass_fields__ if name in given})


def configuration(host: Host, variant: Variant, password: str) -> str:
    """The server's file."""
    engine = host.engines[variant.engine]
    lines = ["daemonize no", 'logfile ""', "loglevel notice", "always-show-logo no", f"bind {host.address}"]
    if engine.get("keydb"):
        lines += ["enable-motd no"]
    lines += [f"{engine['threads']} {variant.threads}"]
    if variant.tls:
        lines += [
            "port 0",
            f"tls-port {host.first_port}",
            f"tls-cert-file {host.server_tls}/server.crt",
            f"tls-key-file {host.server_tls}/server.key",
            f"tls-ca-cert-file {host.server_tls}/ca.crt",
            "tls-auth-clients yes",
            "tls-replication yes",
            'tls-protocols "TLSv1.2 TLSv1.3"',
        ]
    else:
        lines += [f"port {host.first_port}", "protected-mode no"]
    lines += [
        f"aclfile {host.state}/users.acl",
        f"maxmemory {host.maxmemory_mb * _MEGABYTE}",
        # A run that would fill it is refused, instead of measuring how keys are thrown away.
        "maxmemory-policy noeviction",
        f"client-output-buffer-limit replica {_REPLICA_BUFFER_MB}mb {_REPLICA_BUFFER_MB // 2}mb 60",
        "client-output-buffer-limit pubsub 32mb 8mb 60",
        f"dir {host.data}",
        'save ""',
        f"appendonly {'yes' if variant.persistence else 'no'}",
        f"appendfsync {host.appendfsync}",
        'notify-keyspace-events "K$g"',
        f"repl-backlog-size {_BACKLOG_MB * _MEGABYTE}",
        # No waiting for further replicas: all come at once.
        "repl-diskless-sync-delay 0",
    ]
    if variant.is_mesh and engine.get("keydb"):
        lines += ["active-replica yes", "multi-master yes", "multi-master-no-forward yes"]
    if variant.authentication:
        lines += [f"masteruser {USER}", f"masterauth {password}"]
    lines += [f"replicaof {source} {host.first_port}" for source in variant.sources]
    return "\n".join(lines) + "\n"


def users(variant: Variant, password: str) -> str:
    """The server's access control list: one user by its password or, without one, everybody; for little."""
    rights = f"~* &* -@all {_COMMANDS} {_REPLICATION}"
    if not variant.authentication:
        return f"user default on nopass {rights}\n"
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user default off resetpass -@all\nuser {USER} on #{digest} {rights}\n"
