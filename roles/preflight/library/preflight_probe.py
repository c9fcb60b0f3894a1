#!/usr/bin/python
"""Read what Ansible's own facts do not have: package architecture, free disk space, clock, packages."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: preflight_probe
short_description: Read a few properties of a host that are no standard facts
description:
  - Reads the package architecture, free disk space, the clock, the Python version and the address that
    the SSH connection came in by.
  - Changes nothing and needs no privilege, so it runs in check mode too.
options:
  path:
    description: Directory whose file system is measured. It need not exist; the nearest parent that does is taken.
    type: path
    required: true
  packages:
    description: Debian packages that are looked for.
    type: list
    elements: str
    default: []
author:
  - keydb-lab
"""

EXAMPLES = r"""
- name: Read what is no standard fact
  preflight_probe:
    path: /var/lib/keydb
    packages: [nftables]
"""

RETURN = r"""
architecture:
  description: Debian's name of the userland's architecture, empty where there is no dpkg.
  type: str
  returned: always
free_mb:
  description: Free space that an unprivileged user gets on the file system, in MB (2**20 bytes).
  type: int
  returned: always
free_path:
  description: The directory that was measured.
  type: str
  returned: always
time_ns:
  description: Wall clock in ns since 1970.
  type: int
  returned: always
python:
  description: Version of the Python that ran this, as three numbers.
  type: list
  elements: int
  returned: always
packages:
  description: Those of the packages asked for that are installed.
  type: list
  elements: str
  returned: always
ssh_address:
  description: Address of this host that the SSH connection came in by, empty if there is none or sudo dropped it.
  type: str
  returned: always
"""


def nearest_directory(path: str) -> str:
    """Return the path or its nearest parent that exists."""
    directory = Path(path).absolute()
    while not directory.is_dir():
        directory = directory.parent
    return str(directory)


def ssh_address(environment: dict[str, str]) -> str:
    """Return the server's address from SSH_CONNECTION, "client port server port"; "" if there is none."""
    return dict(enumerate(environment.get("SSH_CONNECTION", "").split())).get(2, "")


def installed(output: str) -> list[str]:
    """Return the names of installed packages from dpkg-query's lines "status name"."""
    lines = (line.split() for line in output.splitlines())
    return sorted(name for status, name in lines if status == "installed")


def main() -> None:
    """Read and report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    architecture, packages = "", ""
    dpkg, query = shutil.which("dpkg"), shutil.which("dpkg-query")
    if dpkg:
        _, output, _ = module.run_command([dpkg, "--print-architecture"])
        architecture = output.strip()
    if query and module.params["packages"]:
        # It ends with 1 where one is not known, which is an answer too.
        wanted = ["--show", "--showformat=${db:Status-Status} ${Package}\n", *module.params["packages"]]
        _, packages, _ = module.run_command([query, *wanted])
    directory = nearest_directory(module.params["path"])
    disk = os.statvfs(directory)
    module.exit_json(
        changed=False,
        architecture=architecture,
        free_mb=disk.f_bavail * disk.f_frsize // 2**20,
        free_path=directory,
        packages=installed(packages),
        python=list(sys.version_info[:3]),
        ssh_address=ssh_address(dict(os.environ)),
        time_ns=time.time_ns(),
    )


if __name__ == "__main__":
    main()
