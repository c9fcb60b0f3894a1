#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: whether the units of the observers have logged what they are for."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: observers_lines
short_description: Wait for a line of each unit that says that it does what it is for
description:
  - Looks in the journal for a line of each unit that is not older than C(within), and waits as long for those that have
    none. Reports, never fails for what it finds.
options:
  units: {type: dict, required: true, description: "Name of each unit, without suffix, to a pattern of its line."}
  within: {type: int, required: true, description: Seconds.}
"""

RETURN = r"""
units: {type: dict, returned: always, description: Name of each unit to its last such line; empty if there was none.}
"""

POLL_SECONDS = 1.0


def last_line(module: AnsibleModule, unit: str, pattern: str) -> str:
    """The last line of a unit that matches and is recent enough; empty if there is none."""
    command = ["journalctl", f"--unit={unit}.service", f"--since=-{module.params['within']}s", f"--grep={pattern}"]
    command += ["--reverse", "--lines=1", "--output=cat", "--quiet"]
    return str(module.run_command(command)[1].strip())


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={"units": {"type": "dict", "required": True}, "within": {"type": "int", "required": True}},
        supports_check_mode=True,
    )
    began = time.monotonic()
    lines = dict.fromkeys(module.params["units"], "")
    while True:
        for unit, pattern in module.params["units"].items():
            lines[unit] = lines[unit] or last_line(module, unit, pattern)
        if all(lines.values()) or time.monotonic() - began >= module.params["within"]:
            break
        time.sleep(POLL_SECONDS)
    module.exit_json(changed=False, units=lines)


if __name__ == "__main__":
    main()
