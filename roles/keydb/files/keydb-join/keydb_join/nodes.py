"""What a node says of itself and of its links."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from inspect import signature
from typing import Any

import redis

from keydb_join.settings import Settings

ANSWER_S = 2.0
"""What a peer may take to answer. One that takes longer is asked again."""


class Standing(enum.Enum):
    """What a peer is to a node that starts."""

    FOLLOWS = "has followed this node"
    SERVES = "serves, and has never followed this node"
    STARTS = "is loading"
    ESTRANGED = "does not know this node's password"
    REFUSES = "nothing listens there"
    UNKNOWN = "does not answer"


@dataclass(frozen=True)
class Links:
    """Links of one node by the other end's address: ``up`` to those it follows, and who follows it.

    ``known`` are those that it follows or has followed since it was started, ``copying`` those whose copy is coming.
    """

    up: frozenset[str]
    copying: frozenset[str]
    known: frozenset[str]
    followers: frozenset[str]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Links:
        """From the answer to INFO replication. KeyDB numbers its sources: ``master_…``, ``master_1_…`` and so on."""
        up, copying, known = set(), set(), set()
        for name, host in info.items():
            if not (name.startswith("master") and name.endswith("_host")):
                continue
            prefix = name[: -len("host")]
            if int(info.get(f"{prefix}sync_in_progress", 0)):
                copying.add(str(host))
            if info.get(f"{prefix}link_status") == "up":
                up.add(str(host))
                known.add(str(host))
            # -1: never since it was started.
            elif int(info.get(f"{prefix}link_down_since_seconds", -1)) >= 0:
                known.add(str(host))
        replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
        followers = {str(replica["ip"]) for replica in replicas if replica.get("state") == "online"}
        return cls(frozenset(up), frozenset(copying), frozenset(known), frozenset(followers))


def client(settings: Settings, address: str, username: str, password: str, timeout_s: float = ANSWER_S) -> redis.Redis:
    """A client that tries once, and waits no longer than that for an answer."""
    arguments: dict[str, Any] = {"username": username, "password": password}
    if settings.ca:
        arguments.update(
            ssl=True,
            ssl_ca_certs=settings.ca,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
        )
    # Newer versions introduce themselves by commands that not every user may give.
    habits: dict[str, Any] = {"protocol": 2, "lib_name": None, "lib_version": None, "driver_info": None}
    known = signature(redis.Redis.__init__).parameters
    if "driver_info" in known:
        del habits["lib_name"], habits["lib_version"]
    if "retry" in known:
        from redis.backoff import NoBackoff  # noqa: PLC0415 - not before version 4
        from redis.retry import Retry  # noqa: PLC0415 - the same

        habits["retry"] = Retry(NoBackoff(), 0)
    arguments.update({name: value for name, value in habits.items() if name in known})
    return redis.Redis(
        host=address,
        port=settings.port,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        decode_responses=True,
        # Keys are any bytes.
        encoding_errors="surrogateescape",
        **arguments,
    )


def tell(server: redis.Redis, *words: str | int) -> None:
    """Give a command that the library has no method for. Raises redis.RedisError."""
    execute: Any = server.execute_command
    execute(*words)


def standings(settings: Settings) -> dict[str, Standing]:
    """What each peer is to this node, asked all at once; by name."""
    username, password = settings.replication_user()

    def ask(address: str) -> Standing:
        peer = client(settings, address, username, password)
        try:
            is_loading = int(peer.info("persistence")["loading"]) != 0
            is_known = settings.address in Links.of(peer.info("replication")).known
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
            return Standing.ESTRANGED
        except redis.RedisError as error:
            return Standing.REFUSES if _is_refusal(error) else Standing.UNKNOWN
        finally:
            peer.close()
        return Standing.STARTS if is_loading else Standing.FOLLOWS if is_known else Standing.SERVES

    with ThreadPoolExecutor(max_workers=max(1, len(settings.peers))) as threads:
        return dict(zip(settings.peers, threads.map(ask, settings.peers.values()), strict=True))


def _is_refusal(error: BaseException) -> bool:
    """Whether the host is there and nothing listens: it is not cut off, its server is down."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
