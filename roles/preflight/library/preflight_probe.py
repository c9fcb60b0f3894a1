#!/usr/bin/python
"""Read what the roles must know of a host: facts, architecture, free disk space, clock, packages, units, links."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.facts.hardware.linux import LinuxHardware
from ansible.module_utils.facts.network.linux import LinuxNetwork
from ansible.module_utils.facts.system.distribution import DistributionFactCollector
from ansible.module_utils.facts.system.platform import PlatformFactCollector
from ansible.module_utils.facts.system.python import PythonFactCollector
from ansible.module_utils.facts.system.service_mgr import ServiceMgrFactCollector
from ansible.module_utils.facts.virtual.linux import LinuxVirtual
from ansible.module_utils.node_timestamps import has_hardware_timestamps

DOCUMENTATION = r"""
module: preflight_probe
short_description: Read what the roles must know of a host
description:
  - Reads the package architecture, free disk space, the clock, the Python version and the address that
    the SSH connection came in by.
  - Gathers facts, if it is told to, by Ansible's own code, but only those that the roles use. The module setup has no
    subset that is as small, looks at every disk for the size of the memory, and is a round trip more.
  - Changes nothing, so it runs in check mode too. As root it sees more.
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
  gather_facts:
    description: Whether to gather facts.
    type: bool
    default: false
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
timestamping:
  description: Network interfaces that take timestamps by themselves, as chronyd wants them.
  type: list
  elements: str
  returned: always
unit_files:
  description: Names of what the host's own configuration has of units, which is where roles put theirs.
  type: list
  elements: str
  returned: always
ssh_address:
  description: Address of this host that the SSH connection came in by, empty if there is none.
  type: str
  returned: always
ansible_facts:
  description: Distribution, platform, Python, service manager, processors, memory, network and virtualisation.
  type: dict
  returned: with O(gather_facts)
"""

_INTERFACES = Path("/sys/class/net")
_UNIT_DIRECTORY = Path("/etc/systemd/system")
_COLLECTORS = (
    PlatformFactCollector,
    DistributionFactCollector,
    PythonFactCollector,
    ServiceMgrFactCollector,
)


def nearest_directory(path: str) -> str:
    """Return the path or its nearest parent that exists."""
    directory = Path(path).absolute()
    while not directory.is_dir():
        directory = directory.parent
    return str(directory)


def ssh_address(environments: Iterable[bytes]) -> str:
    """Return the server's address from the first SSH_CONNECTION, "client port server port"; "" if there is none.

    ``environments`` are as in /proc/PID/environ.
    """
    for environment in environments:
        for entry in environment.split(b"\0"):
            if entry.startswith(b"SSH_CONNECTION="):
                return dict(enumerate(entry.decode().split())).get(2, "")
    return ""


def environments(process: str = "self", proc: Path = Path("/proc")) -> Iterator[bytes]:
    """Yield the environment of this process and of those that it came from, for sudo leaves little of theirs."""
    while process != "0":
        directory = proc / process
        try:
            yield (directory / "environ").read_bytes()
            # The name before it may have blanks and brackets in it.
            process = (directory / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return


def installed(output: str) -> list[str]:
    """Return the names of installed packages from dpkg-query's lines "status name"."""
    lines = (line.split() for line in output.splitlines())
    return sorted(name for status, name in lines if status == "installed")


def unit_files(directory: Path = _UNIT_DIRECTORY) -> list[str]:
    """Return the names of what is in a directory of units; nothing where there is no such directory."""
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def gathered(module: AnsibleModule) -> dict[str, Any]:
    """Return facts as the module setup names them."""
    facts: dict[str, Any] = {}

    def add(found: dict[str, Any]) -> None:
        facts.update({f"ansible_{name.replace('-', '_')}": value for name, value in found.items()})

    for collector in _COLLECTORS:
        add(collector().collect(module, facts))
    hardware = LinuxHardware(module)
    add(hardware.get_memory_facts())
    add(hardware.get_cpu_facts(facts))
    add(LinuxNetwork(module).populate(facts))
    add(LinuxVirtual(module).get_virtual_facts())
    return facts


def main() -> None:
    """Read and report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "gather_facts": {"type": "bool", "default": False},
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
    facts = {"ansible_facts": gathered(module)} if module.params["gather_facts"] else {}
    module.exit_json(
        changed=False,
        **facts,
        architecture=architecture,
        free_mb=disk.f_bavail * disk.f_frsize // 2**20,
        free_path=directory,
        packages=installed(packages),
        python=list(sys.version_info[:3]),
        ssh_address=ssh_address(environments()),
        time_ns=time.time_ns(),
        timestamping=[path.name for path in sorted(_INTERFACES.iterdir()) if has_hardware_timestamps(path.name)],
        unit_files=unit_files(),
    )


if __name__ == "__main__":
    main()
