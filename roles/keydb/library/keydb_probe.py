#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: prove from one node that the cluster does what it is for, and refuses what it must refuse."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_node import CONNECTION_SPEC, client, connect, links, reason, redis, require_redis

DOCUMENTATION = r"""
module: keydb_probe
short_description: Prove from one node that the cluster replicates, notifies and refuses
description:
  - Writes a value on this node and waits until every node of the cluster has it and has told of it by a keyspace
    notification; asks for the node's replication links; then tries what must be refused.
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
  nodes: {type: dict, required: true, description: Every node of the cluster, name to address.}
  sources: {type: list, elements: str, default: [], description: Names of the nodes that this one replicates from.}
  replicas: {type: list, elements: str, default: [], description: Names of the nodes that replicate from this one.}
  writable: {type: bool, required: true, description: Whether this node takes writes.}
  timeout: {type: float, default: 5, description: Seconds for a write to arrive and be told of.}
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
    """Fill in the links; False when the node does not answer at all."""
    names = {address: name for name, address in params["nodes"].items()}
    sources = [params["nodes"][name] for name in params["sources"]]
    replicas = [params["nodes"][name] for name in params["replicas"]]
    report.links_expected = len(sources) + len(replicas)
    health = connect(params, username="health", password=params["health_password"])
    try:
        info = health.info()
    except (redis.RedisError, OSError) as error:
        report.problems.append(f"the server does not answer: {reason(error)}")
        return False
    finally:
        health.close()
    report.version = str(info.get("valkey_version") or info.get("redis_version", ""))
    if str(info.get("loading", 0)) != "0":
        report.problems.append("the server is still loading its data")
    missing = links(info).missing(sources, replicas)
    report.links_up = report.links_expected - len(missing)
    for link, state in missing.items():
        direction, address = link.split(" ", 1)
        report.problems.append(f"link {direction} {names[address]} ({address}) is {state}")
    return True


class Watch:
    """A subscription and a reader on one node; raises redis.RedisError or OSError when it cannot be had."""

    def __init__(self, params: dict[str, Any], address: str, channel: str) -> None:
        self.reader = connect(params, host=address)
        self.subscription = self.reader.pubsub()
        self.subscription.subscribe(channel)
        confirmation = self.subscription.get_message(timeout=params["timeout"])
        if not confirmation or confirmation["type"] != "subscribe":
            raise redis.RedisError("the subscription was not confirmed")

    def told(self) -> bool:
        """Whether a notification has come since the last call. Does not wait."""
        message = self.subscription.get_message(timeout=0)
        return message is not None and message["type"] == "message"

    def close(self) -> None:
        """Give both connections back."""
        self.subscription.close()
        self.reader.close()


def probe_writing(params: dict[str, Any], report: Report) -> None:
    """Write here and wait until every node has the value and has told of it."""
    key, value = f"verify:{uuid.uuid4()}", uuid.uuid4().hex
    watches: dict[str, Watch] = {}
    for name, address in params["nodes"].items():
        try:
            watches[name] = Watch(params, address, f"__keyspace@0__:{key}")
        except (redis.RedisError, OSError) as error:
            report.problems.append(f"{name} ({address}) cannot be subscribed to from here: {reason(error)}")
    writer = connect(params)
    try:
        began = time.monotonic()
        writer.set(key, value, px=60_000)
        while time.monotonic() - began < params["timeout"]:
            for name, node in watches.items():
                passed = round((time.monotonic() - began) * 1000, 3)
                if name not in report.told and node.told():
                    report.told[name] = passed
                if name not in report.arrived and node.reader.get(key) == value:
                    report.arrived[name] = passed
            if len(report.told) == len(report.arrived) == len(watches):
                break
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
            "nodes": {"type": "dict", "required": True},
            "sources": {"type": "list", "elements": "str", "default": []},
            "replicas": {"type": "list", "elements": "str", "default": []},
            "writable": {"type": "bool", "required": True},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    require_redis(module)
    report = Report()
    if probe_links(module.params, report):
        if module.params["writable"]:
            probe_writing(module.params, report)
        probe_refusals(module.params, report)
    module.exit_json(changed=False, **asdict(report))


if __name__ == "__main__":
    main()
