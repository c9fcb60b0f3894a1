#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: prove from one node that the cluster does what it is for, and refuses what it must refuse."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_config import compare_live
from ansible.module_utils.keydb_node import CONNECTION_SPEC, client, connect, links, reason, redis, require_redis

DOCUMENTATION = r"""
module: keydb_probe
short_description: Prove from one node that the cluster replicates, notifies and refuses
description:
  - Writes a value on this node and waits until every node of the cluster has it and has told of it by a keyspace
    notification; asks for the node's replication links, and whether the server does what its configuration file says;
    then tries what must be refused.
  - Reports, never fails for what it finds. What it writes it takes away again.
options:
  address: {type: str, required: true, description: Address that the node listens on.}
  port: {type: int, required: true, description: TLS port.}
  username: {type: str, required: true, description: ACL user that may write below C(verify:).}
  password: {type: str, required: true, description: Its password.}
  ca: {type: path, required: true, description: CA certificate on the node.}
  certificate: {type: path, required: true, description: Client certificate on the node.}
  key: {type: path, required: true, description: Key of the client certificate.}
  health_password: {type: str, required: true, description: Password of the user health.}
  operator_password: {type: str, required: true, description: 'Password of the user operator, who may CONFIG GET.'}
  file: {type: path, required: true, description: The server's configuration file on the node.}
  nodes: {type: dict, required: true, description: Every node of the cluster, name to address.}
  sources: {type: list, elements: str, default: [], description: Names of the nodes that this one replicates from.}
  replicas: {type: list, elements: str, default: [], description: Names of the nodes that replicate from this one.}
  writable: {type: bool, required: true, description: Whether this node takes writes.}
  timeout: {type: float, default: 5, description: Seconds for a write to arrive and be told of.}
  patience: {type: float, default: 0, description: Seconds for the server to have loaded its data and got its links.}
"""

RETURN = r"""
problems: {type: list, returned: always, description: What is wrong, a sentence each. Empty when all is well.}
links_up: {type: int, returned: always, description: Links that are up.}
links_expected: {type: int, returned: always, description: Links that ought to be.}
arrived: {type: dict, returned: always, description: Node to ms from the write until its value was read there.}
told: {type: dict, returned: always, description: Node to ms from the write until its notification was seen.}
refused: {type: dict, returned: always, description: 'What was tried and refused, to how it was.'}
attempts: {type: int, returned: always, description: How many things that must be refused were tried.}
version: {type: str, returned: always, description: What the server calls itself.}
"""

POLL_SECONDS = 0.005
PAUSE_SECONDS = 0.25


@dataclass
class Report:
    """What one node's probe found; milliseconds throughout."""

    problems: list[str] = field(default_factory=list)
    links_up: int = 0
    links_expected: int = 0
    version: str = ""
    arrived: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    attempts: int = 0


def probe_links(params: dict[str, Any], report: Report) -> bool:
    """Fill in the links, once they are up or patience is at its end; False when the node does not answer at all."""
    until = time.monotonic() + params["patience"]
    while True:
        answers, problems = _look_at_links(params, report)
        if not problems or time.monotonic() >= until:
            report.problems += problems
            return answers
        time.sleep(PAUSE_SECONDS)


def _look_at_links(params: dict[str, Any], report: Report) -> tuple[bool, list[str]]:
    """Whether the node answers, and what is wrong."""
    names = {address: name for name, address in params["nodes"].items()}
    sources = [params["nodes"][name] for name in params["sources"]]
    replicas = [params["nodes"][name] for name in params["replicas"]]
    report.links_expected = len(sources) + len(replicas)
    health = connect(params, username="health", password=params["health_password"])
    try:
        info = health.info()
    except (redis.RedisError, OSError) as error:
        return False, [f"the server does not answer: {reason(error)}"]
    finally:
        health.close()
    report.version = str(info.get("valkey_version") or info.get("redis_version", ""))
    problems = ["the server is still loading its data"] if str(info.get("loading", 0)) != "0" else []
    missing = links(info).missing(sources, replicas)
    report.links_up = report.links_expected - len(missing)
    for link, state in missing.items():
        direction, address = link.split(" ", 1)
        problems.append(f"link {direction} {names[address]} ({address}) is {state}")
    return True, problems


def probe_configuration(params: dict[str, Any], report: Report) -> None:
    """Whether the server does what its file says."""
    operator = connect(params, username="operator", password=params["operator_password"])
    try:
        _, _, different = compare_live(operator, params["file"])
    except (redis.RedisError, OSError) as error:
        report.problems.append(f"could not read the live configuration: {reason(error)}")
        return
    finally:
        operator.close()
    report.problems += [f"the server does not do what its file says: {each}" for each in different]


class Watch:
    """One connection to a node: first a subscription, then a reader. Raises redis.RedisError or OSError.

    A connection that has subscribed may do nothing else until it has unsubscribed. One for both is half the handshakes,
    of which there are as many as pairs of nodes.
    """

    def __init__(self, params: dict[str, Any], address: str, channel: str) -> None:
        self._connection = connect(params, host=address).connection_pool.make_connection()
        self._channel = channel
        self._connection.connect()
        self._connection.send_command("SUBSCRIBE", channel)
        if self._connection.read_response()[0] != "subscribe":
            raise redis.RedisError("the subscription was not confirmed")

    def told(self, timeout: float) -> bool:
        """Wait for the notification, for so many seconds at most; whether it came."""
        return bool(self._connection.can_read(timeout=timeout)) and self._connection.read_response()[0] == "message"

    def unsubscribe(self) -> None:
        """Become a reader. Notifications that are still on their way come before the confirmation."""
        self._connection.send_command("UNSUBSCRIBE", self._channel)
        while self._connection.read_response()[0] != "unsubscribe":
            continue

    def value(self, key: str) -> str | None:
        """What the node has there."""
        self._connection.send_command("GET", key)
        answer: str | None = self._connection.read_response()
        return answer

    def close(self) -> None:
        """Give the connection back."""
        self._connection.disconnect()


def watch_all(params: dict[str, Any], channel: str, report: Report) -> dict[str, Watch]:
    """Subscribe on every node, on all of them at a time; those that cannot be are problems."""
    nodes = params["nodes"]

    def watch(address: str) -> Watch | str:
        try:
            return Watch(params, address, channel)
        except (redis.RedisError, OSError) as error:
            return reason(error)

    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        found = dict(zip(nodes, pool.map(watch, nodes.values()), strict=True))
    watches = {}
    for name, watched in found.items():
        if isinstance(watched, Watch):
            watches[name] = watched
        else:
            report.problems.append(f"{name} ({nodes[name]}) cannot be subscribed to from here: {watched}")
    return watches


def probe_writing(params: dict[str, Any], report: Report) -> None:
    """Write here and wait until every node has told of it and has the value."""
    key, value = f"verify:{uuid.uuid4()}", uuid.uuid4().hex
    watches = watch_all(params, f"__keyspace@0__:{key}", report)
    writer = connect(params)
    try:
        began = time.monotonic()
        writer.set(key, value, px=60_000)

        def passed() -> float:
            return round((time.monotonic() - began) * 1000, 3)

        for name, node in watches.items():
            if node.told(max(0.0, params["timeout"] - passed() / 1000)):
                report.told[name] = passed()
            node.unsubscribe()
        while True:
            for name, node in watches.items():
                if name not in report.arrived and node.value(key) == value:
                    report.arrived[name] = passed()
            if len(report.arrived) == len(watches) or passed() >= params["timeout"] * 1000:
                break
            time.sleep(POLL_SECONDS)
        writer.delete(key)
    except (redis.RedisError, OSError) as error:
        report.problems.append(f"a write on this node failed: {reason(error)}")
        return
    finally:
        writer.close()
        for node in watches.values():
            node.close()
    within = f"within {params['timeout']:g} s"
    report.problems += [
        f"a value written here did not reach {name} {within}" for name in watches if name not in report.arrived
    ]
    report.problems += [
        f"a write here fired no notification on {name} {within}" for name in watches if name not in report.told
    ]


def attempts(params: dict[str, Any]) -> dict[str, tuple[dict[str, Any], list[str], str]]:
    """What must be refused: name to changes of the connection, the command, and a part of the refusal expected."""
    tries = {
        "plaintext connection": ({"ssl": False, "username": None, "password": None}, ["PING"], ""),
        "no client certificate": ({"ssl_certfile": None, "ssl_keyfile": None}, ["PING"], ""),
        "wrong password": ({"password": "not the password"}, ["PING"], "WRONGPASS"),
        "no password": ({"username": None, "password": None}, ["PING"], "NOAUTH"),
        "forbidden command": ({}, ["FLUSHALL"], "NOPERM"),
        "forbidden key": ({}, ["SET", "shared_key", "forged"], "NOPERM"),
        "forbidden channel": ({}, ["SUBSCRIBE", "__keyspace@0__:shared_key"], "NOPERM"),
    }
    if not params["writable"]:
        tries["write on a replica"] = ({}, ["SET", "verify:replica", "x"], "READONLY")
    return tries


def probe_refusals(params: dict[str, Any], report: Report) -> None:
    """Try what must be refused, and note how it was; what is let through is a problem."""
    for what, (changes, command, expected) in attempts(params).items():
        report.attempts += 1
        if changes.get("ssl") is False:
            caller = client(host=params["address"], port=params["port"], socket_timeout=5, socket_connect_timeout=5)
        else:
            caller = connect(params, **changes)
        # Past the pool: its own look for unread data takes a TLS session ticket for an answer.
        connection = caller.connection_pool.make_connection()
        try:
            connection.connect()
            connection.send_command(*command)
            connection.read_response()
        except (redis.RedisError, OSError) as error:
            report.refused[what] = reason(error)
            # redis-py strips some codes (WRONGPASS, NOPERM) from the message and makes them classes.
            seen = f"{type(error).__name__} {error}"
            if isinstance(error, redis.TimeoutError):
                report.problems.append(f"{what}: neither served nor refused, the connection hangs")
            elif expected and not any(word in seen for word in EXPECTED[expected]):
                report.problems.append(f"{what}: refused, but not by {expected}: {reason(error)}")
        else:
            report.problems.append(f"{what}: was not refused")
        finally:
            connection.disconnect()


EXPECTED = {
    "WRONGPASS": ("WRONGPASS", "AuthenticationError", "invalid username-password"),
    "NOAUTH": ("NOAUTH", "AuthenticationRequired", "Authentication required"),
    "NOPERM": ("NOPERM", "NoPermissionError", "has no permissions"),
    "READONLY": ("READONLY", "ReadOnlyError", "read only replica"),
}


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_SPEC,
            "health_password": {"type": "str", "required": True, "no_log": True},
            "operator_password": {"type": "str", "required": True, "no_log": True},
            "file": {"type": "path", "required": True},
            "nodes": {"type": "dict", "required": True},
            "sources": {"type": "list", "elements": "str", "default": []},
            "replicas": {"type": "list", "elements": "str", "default": []},
            "writable": {"type": "bool", "required": True},
            "timeout": {"type": "float", "default": 5},
            "patience": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    require_redis(module)
    report = Report()
    if probe_links(module.params, report):
        probe_configuration(module.params, report)
        if module.params["writable"]:
            probe_writing(module.params, report)
        probe_refusals(module.params, report)
    module.exit_json(changed=False, **asdict(report))


if __name__ == "__main__":
    main()
