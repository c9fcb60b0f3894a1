#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: look at the link of the cluster's address twice, and say what is wrong with it."""

from __future__ import annotations

import time
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cluster_network_links import (
    Link,
    described,
    errors_grown,
    interface_of,
    link_problems,
    read_link,
)
from ansible.module_utils.host_reader import HostReader

DOCUMENTATION = r"""
module: cluster_network_link
short_description: Say how the link of the cluster's address is, and what is wrong with it
description:
  - Reads speed, duplex, carrier, MTU and error counters. What the interface cannot tell is none, and no problem.
  - Changes nothing.
options:
  address: {type: str, required: true, description: The host's address on the cluster network.}
  least_mbits: {type: int, default: 900, description: Mbit/s that the link must be negotiated at.}
  mtu: {type: int, default: 0, description: MTU in bytes that the interface must have; 0 for any.}
  seconds: {type: float, default: 0.5, description: Time between two looks. Errors that grow meanwhile are a problem.}
  before: {type: dict, default: {}, description: The link at an earlier look; then one more look is enough.}
"""

EXAMPLES = r"""
- name: Look at the link
  cluster_network_link:
    address: 10.77.0.11
"""

RETURN = r"""
link: {type: dict, returned: always, description: The link at the second look; none if no interface has the address.}
said: {type: str, returned: always, description: The link in a few words.}
grown: {type: dict, returned: always, description: "Error counters that grew between the looks, and by how much."}
problems: {type: list, elements: str, returned: always, description: "What is wrong, in words."}
"""


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "least_mbits": {"type": "int", "default": 900},
            "mtu": {"type": "int", "default": 0},
            "seconds": {"type": "float", "default": 0.5},
            "before": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    reader = HostReader()
    interface = interface_of(reader, given["address"])
    if interface is None:
        problem = f"{given['address']} is on no interface"
        module.exit_json(changed=False, link=None, said=problem, grown={}, problems=[problem])
    if given["before"]:
        before = Link(**given["before"])
    else:
        before = read_link(reader, interface)
        time.sleep(given["seconds"])
    after = read_link(reader, interface)
    module.exit_json(
        changed=False,
        link=asdict(after),
        said=described(after),
        grown=errors_grown(before, after),
        problems=link_problems(before, after, given["least_mbits"], given["mtu"]),
    )


if __name__ == "__main__":
    main()
