#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: what a node has of what the role brings, and what kind of build its server is."""

from __future__ import annotations

import grp
import pwd
import re
import shutil
import struct
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: keydb_look
short_description: Tell what a node has of what the role brings
description:
  - Runs the server for its version, which also proves that it can run on this host, and reads from its ELF header what
    its systemd unit must know. Looks for the packages and the user that the role needs. Changes nothing.
options:
  path: {type: path, required: true, description: The server program.}
  marker: {type: path, description: A file that is there once the program was installed to its end.}
  packages: {type: list, elements: str, default: [], description: "Debian packages needed, as NAME or NAME=VERSION."}
  user: {type: str, required: true, description: "The user that the server runs as, and its group's name."}
  home: {type: path, required: true, description: The home directory that the user ought to have.}
"""

RETURN = r"""
exists: {type: bool, returned: always, description: Whether the program is there. It is described only then.}
problem: {type: str, returned: always, description: Why the program cannot be used. Empty if it can.}
version: {type: str, returned: when it can be used, description: What it calls itself.}
notifies: {type: bool, returned: when it can be used, description: Whether it can tell systemd that it is ready.}
executable_stack: {type: bool, returned: when it can be used, description: Whether it needs executable stacks.}
missing_packages: {type: list, returned: always, description: Packages that are not installed in that version.}
has_user: {type: bool, returned: always, description: Whether the user is there as it ought to be.}
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


def describe(version_output: str, program: bytes) -> dict[str, Any]:
    """What a program says of itself; raises ValueError when it is none that can be used."""
    found = re.search(r"\bv=(\S+)", version_output)
    if not found:
        raise ValueError(f"it does not run on this host: {' '.join(version_output.split())}")
    try:
        needs_executable_stack = executable_stack(program)
    except struct.error as error:
        raise ValueError(f"it cannot be read as a program: {error}") from error
    return {
        "version": found.group(1),
        "notifies": b"libsystemd.so" in program,
        "executable_stack": needs_executable_stack,
    }


def missing(wanted: list[str], output: str) -> list[str]:
    """The packages of which dpkg-query's lines "status name version" do not say that they are installed."""
    installed: set[str] = set()
    for line in output.splitlines():
        status, name, version = line.split(" ", 2)
        if status == "installed":
            installed |= {name, f"{name}={version}"}
    return [package for package in wanted if package not in installed]


def has_user(name: str, home: str) -> bool:
    """Whether there is such a user with a group of its name, which cannot log in."""
    try:
        user = pwd.getpwnam(name)
        group = grp.getgrnam(name)
    except KeyError:
        return False
    return (user.pw_gid, user.pw_dir, user.pw_shell) == (group.gr_gid, home, "/usr/sbin/nologin")


def look_at_program(module: AnsibleModule) -> dict[str, Any]:
    """Whether the program is there, installed to its end, and what it is."""
    path, marker = Path(module.params["path"]), module.params["marker"]
    if not path.is_file() or (marker and not Path(marker).is_file()):
        return {"exists": False, "problem": ""}
    try:
        code, output, error = module.run_command([str(path), "--version"], handle_exceptions=False, check_rc=False)
        if code:
            raise ValueError(f"it does not run on this host: {' '.join((error or output).split())}")
        return {"exists": True, "problem": "", **describe(output, path.read_bytes())}
    except (ValueError, OSError) as problem:
        return {"exists": True, "problem": f"{path}: {problem}"}


def look_for_packages(module: AnsibleModule) -> list[str]:
    """The packages asked for that are missing."""
    wanted, query = module.params["packages"], shutil.which("dpkg-query")
    if not wanted or not query:
        return list(wanted)
    names = [package.partition("=")[0] for package in wanted]
    shown = "--showformat=${db:Status-Status} ${Package} ${Version}\n"
    # It ends with 1 where one is not known, which is an answer too.
    return missing(wanted, module.run_command([query, "--show", shown, *names])[1])


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "marker": {"type": "path"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "user": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(
        changed=False,
        missing_packages=look_for_packages(module),
        has_user=has_user(module.params["user"], module.params["home"]),
        **look_at_program(module),
    )


if __name__ == "__main__":
    main()
