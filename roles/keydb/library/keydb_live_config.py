#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: wait for a server, and compare what it does with what its configuration file says."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.keydb_config import compare_live
from ansible.module_utils.keydb_node import (
    CONNECTION_SPEC,
    READY_SPEC,
    connect,
    reason,
    redis,
    require_redis,
    wait_until_ready,
)

DOCUMENTATION = r"""
module: keydb_live_config
short_description: Compare the live configuration of a server with its file
description:
  - KeyDB, Valkey and Redis have no way to check a file without running it. This module asks the running server by
    CONFIG GET, once for all and then by name for what that leaves out, and fails when a directive of the file (and of
    the files that it includes) differs.
  - It first waits until the server is ready, as the module keydb_ready does.
options:
  address: {type: str, required: true, description: Address that the node listens on.}
  port: {type: int, required: true, description: TLS port.}
  username: {type: str, required: true, description: ACL user that may CONFIG GET and INFO.}
  password: {type: str, required: true, description: Its password.}
  ca: {type: path, required: true, description: CA certificate on the node.}
  certificate: {type: path, required: true, description: Client certificate on the node.}
  key: {type: path, required: true, description: Key of the client certificate.}
  file: {type: path, required: true, description: The configuration file.}
  sources: {type: list, elements: str, default: [], description: Addresses that this node must replicate from.}
  replicas: {type: list, elements: str, default: [], description: Addresses that must replicate from this node.}
  timeout: {type: int, default: 120, description: Seconds to wait until it is ready.}
"""

RETURN = r"""
compared: {type: int, returned: always, description: Directives that were compared.}
unknown: {type: list, returned: always, description: Directives that this server does not answer for.}
different: {type: list, returned: always, description: What differs, with both values. Secrets are not shown.}
"""


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={**CONNECTION_SPEC, **READY_SPEC, "file": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    require_redis(module)
    wait_until_ready(module)
    client = connect(module.params)
    try:
        compared, unknown, different = compare_live(client, module.params["file"])
    except (redis.RedisError, OSError) as error:
        module.fail_json(msg=f"could not read the live configuration: {reason(error)}")
    finally:
        client.close()
    result = {"changed": False, "compared": compared, "unknown": unknown, "different": different}
    if different:
        module.fail_json(msg="the server does not do what its file says. " + "; ".join(different), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
