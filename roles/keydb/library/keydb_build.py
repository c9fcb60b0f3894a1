#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: what kind of build a server program is, as far as its unit must know."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: keydb_build
short_description: Tell what kind of build a server program is
description:
  - Runs the program for its version, which also proves that it can run on this host, and reads from its ELF header
    what its systemd unit must know.
options:
  path: {type: path, required: true, description: The server program.}
"""

RETURN = r"""
exists: {type: bool, returned: always, description: Whether the program is there. Nothing else is told when it is not.}
version: {type: str, returned: success, description: What it calls itself.}
notifies: {type: bool, returned: success, description: Whether it can tell systemd that it is ready.}
executable_stack: {type: bool, returned: success, description: Whether it needs executable stacks.}
"""

PT_GNU_STACK = 0x6474E551
PF_X = 1


def executable_stack(program: bytes) -> bool:
    """Whether a 64-bit little-endian ELF program asks for executable stacks; raises ValueError for anything else.

    A program without the header PT_GNU_STACK gets them as well (elf(5)). KeyDB asks for them where it is linked with
    hand-written assembly that does not say otherwise; its threads then cannot start under MemoryDenyWriteExecute=.
    """
    if program[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF program")
    (table,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    for index in range(count):
        kind, flags = struct.unpack_from("<II", program, table + index * size)
        if kind == PT_GNU_STACK:
            return bool(flags & PF_X)
    return True


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    path = Path(module.params["path"])
    if not path.is_file():
        module.exit_json(changed=False, exists=False)
    code, output, error = module.run_command([str(path), "--version"], handle_exceptions=False, check_rc=False)
    found = re.search(r"\bv=(\S+)", output)
    if code or not found:
        module.fail_json(msg=f"{path} does not run on this host: {' '.join((error or output).split())}")
    program = path.read_bytes()
    try:
        needs_executable_stack = executable_stack(program)
    except (ValueError, struct.error) as error:
        module.fail_json(msg=f"{path} cannot be read as a program: {error}")
    module.exit_json(
        changed=False,
        exists=True,
        version=found.group(1),
        notifies=b"libsystemd.so" in program,
        executable_stack=needs_executable_stack,
    )


if __name__ == "__main__":
    main()
