#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: speak with the other nodes for some seconds, as a capture of the network is to see it."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_node import CONNECTION_SPEC, connect, reason, redis, require_redis

DOCUMENTATION = r"""
module: keydb_traffic
short_description: Write a value that is easily found again to the other nodes, over new connections
description:
  - Makes a new connection to every other node, so that its handshake can be seen, and writes a random value to one key
    at those that take writes, in turn, at a steady rate. The key is removed again, and would expire.
  - Counts how many writes this node executed meanwhile, its own, replicated ones and everybody else's.
  - Reports, never fails for what it finds.
options:
  address: {type: str, required: true, description: Address that this node listens on.}
  port: {type: int, required: true, description: TLS port.}
  username: {type: str, required: true, description: ACL user that may write below C(verify:).}
  password: {type: str, required: true, description: Its password.}
  ca: {type: path, required: true, description: CA certificate on the node.}
  certificate: {type: path, required: true, description: Client certificate on the node.}
  key: {type: path, required: true, description: Key of the client certificate.}
  health_password: {type: str, required: true, description: Password of the user health.}
  peers: {type: dict, required: true, description: Every other node, name to address.}
  writable: {type: list, elements: str, required: true, description: Names of those among them that take writes.}
  seconds: {type: float, required: true, description: How long.}
  rate: {type: float, required: true, description: Writes per second of this node.}
"""

RETURN = r"""
marker: {type: str, returned: always, description: The value.}
written: {type: int, returned: always, description: How many writes of it were acknowledged.}
begun_ns: {type: int, returned: always, description: Unix time right after the first count of writes.}
ended_ns: {type: int, returned: always, description: Unix time right before the second one.}
writes_seen: {type: int, returned: always, description: How many writes this node executed between the two.}
problems: {type: list, returned: always, description: What is wrong, a sentence each. Empty when all is well.}
"""

EXPIRY_MS = 60_000
# Of all commands that change a key those that the programs of this project use, and the usual ones of others.
WRITES = frozenset(
    (
        *("set", "mset", "setex", "psetex", "setnx", "getset", "getdel", "append", "setrange", "incr", "incrby"),
        *("incrbyfloat", "decr", "decrby", "del", "unlink", "expire", "pexpire", "persist", "hset", "hmset", "hdel"),
        *("hincrby", "lpush", "rpush", "lpop", "rpop", "lrem", "ltrim", "lset", "sadd", "srem", "spop", "zadd", "zrem"),
        *("zincrby", "xadd", "xdel", "xtrim", "restore", "rename", "copy"),
    )
)


@dataclass
class Report:
    """What was done and seen."""

    marker: str
    written: int = 0
    begun_ns: int = 0
    ended_ns: int = 0
    writes_seen: int = 0
    problems: list[str] = field(default_factory=list)


def executed(node: redis.Redis) -> int:
    """How many writes the node has executed since its start."""
    stats = node.info("commandstats")
    return sum(int(stats[f"cmdstat_{name}"]["calls"]) for name in WRITES if f"cmdstat_{name}" in stats)


def speak(params: dict[str, Any], report: Report) -> None:
    """Connect to all, write to those that take it until the time is over. Raises redis.RedisError or OSError."""
    key = f"verify:{secrets.token_hex(8)}"
    peers: dict[str, redis.Redis] = {}
    try:
        for name, address in params["peers"].items():
            peers[name] = connect(params, host=address)
            peers[name].ping()
        writable = [peers[name] for name in params["writable"]]
        began = time.monotonic()
        due = 0
        while time.monotonic() < began + params["seconds"]:
            if writable:
                writable[due % len(writable)].set(key, report.marker, px=EXPIRY_MS)
                report.written += 1
            due += 1
            time.sleep(max(began + due / params["rate"] - time.monotonic(), 0))
        if writable:
            writable[0].delete(key)
    finally:
        for peer in peers.values():
            peer.close()


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_SPEC,
            "health_password": {"type": "str", "required": True, "no_log": True},
            "peers": {"type": "dict", "required": True},
            "writable": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "float", "required": True},
            "rate": {"type": "float", "required": True},
        },
        supports_check_mode=False,
    )
    require_redis(module)
    report = Report(marker=secrets.token_hex(24))
    health = connect(module.params, username="health", password=module.params["health_password"])
    try:
        before = executed(health)
        report.begun_ns = time.time_ns()
        try:
            speak(module.params, report)
        except (redis.RedisError, OSError) as error:
            report.problems.append(f"it could not speak with all nodes: {reason(error)}")
        report.ended_ns = time.time_ns()
        report.writes_seen = executed(health) - before
    except (redis.RedisError, OSError) as error:
        report.problems.append(f"its server does not say what it has executed: {reason(error)}")
    finally:
        health.close()
    module.exit_json(changed=False, **asdict(report))


if __name__ == "__main__":
    main()
