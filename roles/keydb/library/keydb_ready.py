#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: wait until one node has loaded its data and its replication links are up."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_node import CONNECTION_SPEC, connect, links, reason, redis, require_redis

DOCUMENTATION = r"""
module: keydb_ready
short_description: Wait until a node has loaded its data and its replication links are up
description:
  - PING answers while a node is still loading, so it says little. This module waits for C(loading:0) and for every
    link that ought to be there, then tells version and links.
options:
  address: {type: str, required: true, description: Address that the node listens on.}
  port: {type: int, required: true, description: TLS port.}
  username: {type: str, required: true, description: ACL user that may PING and INFO.}
  password: {type: str, required: true, description: Its password.}
  ca: {type: path, required: true, description: CA certificate on the node.}
  certificate: {type: path, required: true, description: Client certificate on the node.}
  key: {type: path, required: true, description: Key of the client certificate.}
  sources: {type: list, elements: str, default: [], description: Addresses that this node must replicate from.}
  replicas: {type: list, elements: str, default: [], description: Addresses that must replicate from this node.}
  timeout: {type: int, default: 120, description: Seconds to wait. 0 looks once.}
"""

RETURN = r"""
version: {type: str, returned: success, description: What the server calls itself.}
waited: {type: float, returned: always, description: Seconds.}
missing: {type: dict, returned: always, description: Links that are not up, with their state.}
"""

POLL_SECONDS = 0.25


def look(params: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Version of the node and what is still missing; raises redis.RedisError or OSError when it does not answer."""
    client = connect(params)
    try:
        client.ping()
        info = client.info()
    finally:
        client.close()
    if str(info.get("loading", 0)) != "0":
        return "", {"data": "loading"}
    version = str(info.get("valkey_version") or info.get("redis_version", "unknown"))
    return version, links(info).missing(params["sources"], params["replicas"])


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_SPEC,
            "sources": {"type": "list", "elements": "str", "default": []},
            "replicas": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    require_redis(module)
    began = time.monotonic()
    while True:
        try:
            version, missing = look(module.params)
        except (redis.RedisError, OSError) as error:
            version, missing = "", {"server": reason(error)}
        waited = round(time.monotonic() - began, 2)
        if not missing:
            module.exit_json(changed=False, version=version, waited=waited, missing={})
        if waited >= module.params["timeout"]:
            told = "; ".join(f"{what}: {state}" for what, state in missing.items())
            where = f"{module.params['address']}:{module.params['port']}"
            module.fail_json(msg=f"{where} is not ready after {waited:.0f} s. {told}", waited=waited, missing=missing)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
