# SPDX-License-Identifier: MIT
"""What the role's modules share: a connection to one node and its replication links as data.

Runs on the nodes with the distribution's own Python (3.9 or newer) and its package python3-redis (3.5 or newer).
"""

from __future__ import annotations

import os
import re
import time
import traceback
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import redis
except ImportError:
    redis = None  # type: ignore[assignment]
    REDIS_IMPORT_ERROR = traceback.format_exc()
else:
    REDIS_IMPORT_ERROR = ""
try:
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:  # before version 4, which tries once anyway
    NoBackoff = Retry = None  # type: ignore[assignment,misc]

CONNECTION_SPEC: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "ca": {"type": "path", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True},
}

# What a node is to be linked with, and how long that may take.
READY_SPEC: dict[str, Any] = {
    "sources": {"type": "list", "elements": "str", "default": []},
    "replicas": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 120},
}
POLL_SECONDS = 0.25


def require_redis(module: AnsibleModule) -> None:
    """Fail the module with the usual message when python3-redis is missing on the node.

    redis-py has every connection trust the authorities of the system as well, and reads all of them each time, for
    which OpenSSL takes 17 ms. A module's process has none from here on but those that it names.
    """
    os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)
    if redis is None:
        module.fail_json(msg=missing_required_lib("redis"), exception=REDIS_IMPORT_ERROR)


def client(**arguments: Any) -> redis.Redis:
    """A client that does what every version of redis-py did at first: RESP2, no introduction, no second try.

    Newer ones begin with HELLO or CLIENT SETINFO, which changes how a refusal looks, and repeat what failed for tens of
    seconds. Older ones do not know the arguments that say so.
    """
    habits = {"protocol": 2, "lib_name": None, "lib_version": None, "driver_info": None}
    if Retry is not None:
        habits["retry"] = Retry(NoBackoff(), 0)
    known = signature(redis.Redis.__init__).parameters
    if "driver_info" in known:
        # It replaced these two, and warns of them.
        del habits["lib_name"], habits["lib_version"]
    return redis.Redis(**{name: value for name, value in habits.items() if name in known}, **arguments)


def connect(params: dict[str, Any], *, timeout: float = 5.0, **overrides: Any) -> redis.Redis:
    """A client for the node that ``params`` (CONNECTION_SPEC) names; ``timeout`` in seconds for connect and reply.

    ``overrides`` replace arguments of ``redis.Redis``: another address, no certificate, a wrong password.
    """
    arguments: dict[str, Any] = {
        "host": params["address"],
        "port": params["port"],
        "username": params["username"],
        "password": params["password"],
        "ssl": True,
        "ssl_ca_certs": params["ca"],
        "ssl_certfile": params["certificate"],
        "ssl_keyfile": params["key"],
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "decode_responses": True,
    }
    arguments.update(overrides)
    return client(**arguments)


@dataclass(frozen=True)
class Links:
    """Replication links of one node, as its INFO tells them: peer address to ``up`` or what is the matter."""

    sources: dict[str, str]
    replicas: dict[str, str]

    def missing(self, sources: list[str], replicas: list[str]) -> dict[str, str]:
        """Of the links that ought to be there, those that are not up, each with its state."""
        down = {f"from {peer}": self.sources.get(peer, "not configured") for peer in sources}
        down.update({f"to {peer}": self.replicas.get(peer, "not connected") for peer in replicas})
        return {link: state for link, state in down.items() if state != "up"}


def links(replication: dict[str, Any]) -> Links:
    """Read the links from a parsed INFO REPLICATION.

    KeyDB lists its masters as ``master_host``, ``master_1_host``, ...; the others know one master at most.
    """
    sources: dict[str, str] = {}
    replicas: dict[str, str] = {}
    for field, value in replication.items():
        source = re.fullmatch(r"master(_\d+)?_host", field)
        if source:
            prefix = f"master{source.group(1) or ''}"
            state = str(replication.get(f"{prefix}_link_status", "unknown"))
            if str(replication.get(f"{prefix}_sync_in_progress", "0")) != "0":
                state = "synchronising"
            sources[str(value)] = state
        elif re.fullmatch(r"slave\d+", field) and isinstance(value, dict):
            state = str(value.get("state", "unknown"))
            replicas[str(value.get("ip"))] = "up" if state == "online" else state
    return Links(sources, replicas)


def reason(error: Exception) -> str:
    """One line that a person can act on."""
    return " ".join(str(error).split()) or type(error).__name__


def look(params: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Version of the node and what is still missing; raises redis.RedisError or OSError when it does not answer."""
    node = connect(params)
    try:
        node.ping()
        info = node.info()
    finally:
        node.close()
    if str(info.get("loading", 0)) != "0":
        return "", {"data": "loading"}
    version = str(info.get("valkey_version") or info.get("redis_version", "unknown"))
    return version, links(info).missing(params["sources"], params["replicas"])


def wait_until_ready(module: AnsibleModule) -> tuple[str, float]:
    """Version of the node, and seconds until it was ready as CONNECTION_SPEC and READY_SPEC say; fails the module."""
    began = time.monotonic()
    while True:
        try:
            version, missing = look(module.params)
        except (redis.RedisError, OSError) as error:
            version, missing = "", {"server": reason(error)}
        waited = round(time.monotonic() - began, 2)
        if not missing:
            return version, waited
        if waited >= module.params["timeout"]:
            told = "; ".join(f"{what}: {state}" for what, state in missing.items())
            where = f"{module.params['address']}:{module.params['port']}"
            module.fail_json(msg=f"{where} is not ready after {waited:.0f} s. {told}", waited=waited, missing=missing)
        time.sleep(POLL_SECONDS)
