#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: wait until one node has loaded its data and its replication links are up."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_node import CONNECTION_SPEC, READY_SPEC, require_redis, wait_until_ready

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


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(argument_spec={**CONNECTION_SPEC, **READY_SPEC}, supports_check_mode=True)
    require_redis(module)
    version, waited = wait_until_ready(module)
    module.exit_json(changed=False, version=version, waited=waited, missing={})


if __name__ == "__main__":
    main()
