#!/usr/bin/python
"""Ansible module: what this machine offers for containers as hosts.

Reads only. The functions above ``main`` are pure, so that they are tested without a machine of each kind.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.lab_apt_sources import image_sources, read_sources

DOCUMENTATION = r"""
module: lab_machine
short_description: Find out what this machine offers for containers as hosts
description:
  - Reads the apt sources, the extra CA certificates, the MTU and the kind of machine.
options:
  release:
    description: Debian release whose mirror is looked for; no mirror is when empty.
    type: str
    default: ""
  architecture:
    description: The nodes' architecture as dpkg names it; empty for this machine's own.
    type: str
    default: ""
  apt_directory:
    description: Directory of the apt sources.
    type: path
    default: /etc/apt
author: The project
"""

CAP_SYS_RESOURCE = 24
ETHERNET_MTU = 1500
# Names of the rules by which the lab registers emulators, by dpkg's name of the architecture.
EMULATORS = {"arm64": "keydb-lab-arm64"}
WANTED_SOFT_LIMIT = 4096
WANTED_HARD_LIMIT = 8192


def containers_conf(
    *, cgroup_v2: bool, systemd: bool, can_raise_limits: bool, netavark: bool, hard_limits: dict[str, int]
) -> str:
    """The CONTAINERS_CONF that podman needs here; empty where its defaults (systemd, cgroup v2, crun) work.

    Args:
        cgroup_v2: /sys/fs/cgroup is the unified hierarchy.
        systemd: systemd is PID 1.
        can_raise_limits: CAP_SYS_RESOURCE is to be had.
        netavark: podman's network backend is netavark already.
        hard_limits: The machine's own hard limits of ``nofile`` and ``nproc``; -1 means unlimited.
    """
    engine = []
    containers = []
    network = []
    if not (cgroup_v2 and systemd):
        engine = ['runtime = "runc"', 'cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    if not (cgroup_v2 and systemd and can_raise_limits):
        limits = []
        for name, own in sorted(hard_limits.items()):
            hard = WANTED_HARD_LIMIT if own < 0 else min(own, WANTED_HARD_LIMIT)
            limits.append(f'"{name}={min(WANTED_SOFT_LIMIT, hard)}:{hard}"')
        containers = [f"default_ulimits = [{', '.join(limits)}]"]
    if not netavark:
        network = ['network_backend = "netavark"']
    sections = {"engine": engine, "containers": containers, "network": network}
    return "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in body) for name, body in sections.items() if body)


def output_of(*command: str) -> str:
    """Standard output of a command, empty when it is missing or fails."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def apt_proxies(ask: Callable[..., str] = output_of) -> dict[str, str]:
    """Proxies of the machine's apt, by scheme."""
    found = {}
    for scheme in ("http", "https"):
        value = ask("apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy").partition("=")[2].strip().strip("'")
        if value and value != "DIRECT":
            found[scheme] = value
    return found


def default_mtu(ask: Callable[..., str] = output_of) -> int:
    """MTU of the interface that leads outside, at most 1500 (an Ethernet's)."""
    routes = json.loads(ask("ip", "-json", "route", "show", "default") or "[]")
    devices = {route["dev"] for route in routes if "dev" in route}
    links = json.loads(ask("ip", "-json", "link") or "[]")
    return min([ETHERNET_MTU, *(int(link["mtu"]) for link in links if link["ifname"] in devices)])


def used_networks(ask: Callable[..., str] = output_of) -> dict[str, str]:
    """Networks that this machine has a route to, and by which device."""
    routes = json.loads(ask("ip", "-json", "-4", "route") or "[]")
    return {route["dst"]: route.get("dev", "") for route in routes if route["dst"] != "default"}


def own_release(os_release: str) -> str:
    """Code name in the text of an os-release file; empty where it has none."""
    match = re.search(r'^VERSION_CODENAME="?(\w+)', os_release, re.MULTILINE)
    return match[1] if match else ""


def emulator(architecture: str, own: str, mounted: str, rule: str | None) -> str:
    """What is missing before programs of that architecture run here: nothing (empty), "mount", or "rule".

    Args:
        architecture: The nodes'.
        own: This machine's.
        mounted: /proc/mounts.
        rule: binfmt_misc's entry for the emulator, None without. Its flag F makes it work inside containers.
    """
    if architecture == own or (rule and re.search(r"^flags:.*F", rule, re.MULTILINE)):
        return ""
    return "rule" if re.search(r"^\S+ \S+ binfmt_misc ", mounted, re.MULTILINE) else "mount"


def read_emulator(architecture: str, own: str) -> str:
    """The same for this machine."""
    entry = Path("/proc/sys/fs/binfmt_misc") / EMULATORS.get(architecture, "none")
    rule = entry.read_text(encoding="utf-8") if entry.is_file() else None
    return emulator(architecture, own, Path("/proc/mounts").read_text(encoding="utf-8"), rule)


def read_machine(apt_directory: Path, release: str, architecture: str) -> dict[str, object]:
    """Everything at once, as the module returns it."""
    bounding = re.search(r"^CapBnd:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    backend = Path("/var/lib/containers/storage/defaultNetworkBackend")
    try:
        netavark = backend.read_text(encoding="utf-8").strip() == "netavark"
    except (FileNotFoundError, PermissionError):
        netavark = False
    own = own_release(Path("/etc/os-release").read_text(encoding="utf-8"))
    sources = image_sources(read_sources(apt_directory), release, own) if release else []
    own_architecture = output_of("dpkg", "--print-architecture").strip()
    return {
        "uid": os.getuid(),
        "architecture": architecture or own_architecture,
        "is_foreign": bool(architecture) and architecture != own_architecture,
        "emulator_lacks": read_emulator(architecture or own_architecture, own_architecture),
        "sources": [asdict(source) for source in sources],
        "ca_certificates": sorted(str(file) for file in Path("/usr/local/share/ca-certificates").rglob("*.crt")),
        "apt_proxies": apt_proxies(),
        "mtu": default_mtu(),
        "has_loop_devices": Path("/dev/loop-control").exists(),
        "used_networks": used_networks(),
        "containers_conf": containers_conf(
            cgroup_v2=Path("/sys/fs/cgroup/cgroup.controllers").is_file(),
            systemd=Path("/run/systemd/system").is_dir(),
            can_raise_limits=bool(bounding and int(bounding[1], 16) >> CAP_SYS_RESOURCE & 1),
            netavark=netavark,
            hard_limits={
                "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
                "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1],
            },
        ),
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "default": ""},
            "architecture": {"type": "str", "default": ""},
            "apt_directory": {"type": "path", "default": "/etc/apt"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = read_machine(Path(given["apt_directory"]), given["release"], given["architecture"])
        module.exit_json(changed=False, **found)
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
