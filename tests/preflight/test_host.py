"""The second stage: what a host is, against what its variables ask of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from preflight_cases import good
from preflight_probe import environments, ssh_address, unit_files
from preflight_rules.host import Host, addresses_by_interface, clock_skew, host_problems, missing_facts

PROJECT = Path(__file__).resolve().parents[2]
VALUES = {
    "cluster_network_address": "10.77.0.11",
    "keydb_engine": "keydb",
    "keydb_install_method": "archive",
    "keydb_archives": {"arm64": {"src": "/a", "sha256": "b"}},
    "keydb_maxmemory_mb": 1024,
    "preflight_distributions": ["Debian 12", "Ubuntu 24.04"],
    "preflight_min_free_mb": 1024,
    "preflight_max_clock_skew": 60.0,
    "preflight_allow_shared_network": False,
}
PI = Host(
    name="pi1",
    values=VALUES,
    is_node=True,
    distribution="Debian",
    version="12",
    release="bookworm",
    service_manager="systemd",
    architecture="arm64",
    memory_mb=3792,
    free_mb=20_000,
    free_path="/var/lib",
    python=(3, 11, 2),
    clock_skew=0.4,
    interfaces=("lo", "eth0", "eth1", "eth2"),
    addresses={"eth0": ("192.0.2.11",), "eth1": ("10.77.0.11",)},
    management_address="192.0.2.11",
)


def _with(**values: Any) -> Host:
    return replace(PI, values=VALUES | values)


WRONG = {
    "other distribution": (
        replace(PI, distribution="Fedora", version="42"),
        ("ansible_facts.distribution", "Fedora 42", "Debian 12, Ubuntu 24.04"),
    ),
    "other release": (
        replace(PI, distribution="Ubuntu", version="20.04"),
        ("ansible_facts.distribution", "Ubuntu 20.04", "Debian 12, Ubuntu 24.04"),
    ),
    "other service manager": (
        replace(PI, service_manager="sysvinit"),
        ("ansible_facts.service_mgr", "sysvinit", "systemd"),
    ),
    "old Python": (replace(PI, python=(3, 8, 10)), ("ansible_python_interpreter", "3.8.10", "3.9 or newer")),
    "address on no interface": (
        _with(cluster_network_address="10.77.0.99"),
        ("cluster_network_address", '"10.77.0.99"', "192.0.2.11 (eth0), 10.77.0.11 (eth1)"),
    ),
    "address on the interface of SSH": (
        replace(PI, management_address="10.77.0.11"),
        ("cluster_network_address", '"10.77.0.11"', "192.0.2.11 (eth0); or preflight_allow_shared_network: true"),
    ),
    "second address of the interface of SSH": (
        replace(PI, addresses={"eth0": ("192.0.2.11", "10.77.0.11")}),
        ("cluster_network_address", '"10.77.0.11"', "another interface; or preflight_allow_shared_network: true"),
    ),
    "interface that is not there": (
        _with(cluster_network_interface="eth7"),
        ("cluster_network_interface", '"eth7"', "eth0, eth1 or eth2"),
    ),
    "interface of SSH, told once": (
        _with(cluster_network_interface="eth0", cluster_network_address="10.77.0.99"),
        ("cluster_network_interface", '"eth0"', "eth1 or eth2; or cluster_network_confirm_interface: eth0"),
    ),
    "archive of the other architecture": (
        _with(keydb_archives={"amd64": {}}),
        ("keydb_archives", '["amd64"]', "an entry for arm64"),
    ),
    "package of the other architecture": (
        _with(keydb_install_method="deb", keydb_debs={"amd64": [{}], "arm64": []}),
        ("keydb_debs", '["amd64", "arm64"]', "an entry for arm64"),
    ),
    "no KeyDB package for the release": (
        replace(PI, release="noble", values=VALUES | {"keydb_install_method": "apt"}),
        ("keydb_install_method", "apt on noble", "bookworm or jammy; or keydb_install_method deb or archive"),
    ),
    "no Valkey package for the release": (
        replace(PI, release="jammy", values=VALUES | {"keydb_install_method": "apt", "keydb_engine": "valkey"}),
        ("keydb_install_method", "apt on jammy", "bookworm, trixie or noble"),
    ),
    "a backlog that is most of the data's memory": (
        _with(keydb_repl_backlog_mb=600),
        ("keydb_repl_backlog_mb", "600", "at most 512 MB, half of keydb_maxmemory_mb"),
    ),
    "more than the memory": (
        _with(keydb_maxmemory_mb=3792),
        ("keydb_maxmemory_mb", "3792", "less than 3792 MB"),
    ),
    "full disk": (
        replace(PI, free_mb=1023),
        ("keydb_data_dir", "1023 MB free at /var/lib", "1024 MB or more"),
    ),
    "clock behind": (replace(PI, clock_skew=-61.0), ("clock", "61.0 s behind the controller", "at most 60 s")),
    "clock ahead": (replace(PI, clock_skew=3600.0), ("clock", "3600.0 s ahead of the controller", "at most 60 s")),
}

FINE = {
    "a Raspberry Pi": PI,
    "one network on purpose": replace(_with(preflight_allow_shared_network=True), management_address="10.77.0.11"),
    "an address that is yet to come": _with(cluster_network_interface="eth1", cluster_network_address="10.77.0.99"),
    "the interface of SSH, told twice": _with(
        cluster_network_interface="eth0",
        cluster_network_confirm_interface="eth0",
        cluster_network_address="10.77.0.99",
    ),
    "a mirror of one's own": replace(
        PI,
        release="noble",
        values=VALUES | {"keydb_install_method": "apt", "keydb_apt_source_uri": "https://mirror.example.com/keydb"},
    ),
    "a suite that fits": replace(
        PI, release="noble", values=VALUES | {"keydb_install_method": "apt", "keydb_apt_source_suite": "jammy"}
    ),
    "no node": replace(PI, is_node=False, free_mb=1, addresses={}),
}


@pytest.mark.parametrize("name", WRONG)
def test_unfit_host_is_refused(name: str) -> None:
    host, (variable, given, allowed) = WRONG[name]
    (problem,) = host_problems(host)
    assert (problem.variable, problem.host, problem.given) == (variable, "pi1", given)
    assert allowed in problem.allowed


@pytest.mark.parametrize("name", FINE)
def test_fit_host_passes(name: str) -> None:
    assert list(host_problems(FINE[name])) == []


@pytest.mark.parametrize(
    ("before", "host", "after", "skew"),
    [
        (0, 5, 10, 0.0),  # read while the module ran: no evidence of a difference
        (10**9, 0, 2 * 10**9, -1.0),
        (0, 7 * 10**9, 2 * 10**9, 5.0),
    ],
)
def test_clock_skew_is_what_the_transfer_cannot_explain(before: int, host: int, after: int, skew: float) -> None:
    assert clock_skew(before, host, after) == skew


def test_addresses_are_read_from_facts() -> None:
    facts = {
        "interfaces": ["lo", "br-lan", "eth1.7", "wlan0"],
        "lo": {"type": "loopback", "ipv4": {"address": "127.0.0.1"}},
        "br_lan": {"ipv4": {"address": "192.0.2.1"}, "ipv4_secondaries": [{"address": "192.0.2.2"}]},
        "eth1_7": {"ipv4": {"address": "10.77.0.1"}},
        "wlan0": {"active": False},
    }
    assert addresses_by_interface(facts) == {"br-lan": ("192.0.2.1", "192.0.2.2"), "eth1.7": ("10.77.0.1",)}


def test_missing_facts_are_named() -> None:
    assert "memtotal_mb" in missing_facts({"distribution": "Debian"})
    assert "distribution" not in missing_facts({"distribution": "Debian"})


def test_the_units_of_the_hosts_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "one.service").touch()
    (tmp_path / "masked.timer").symlink_to("/dev/null")
    assert unit_files(tmp_path) == ["masked.timer", "one.service"]
    assert unit_files(tmp_path / "there-is-none") == []


PLAYBOOK = """
- name: Check the hosts
  hosts: keydb_nodes
  gather_facts: {facts}
  tasks:
    - name: Check the hosts
      ansible.builtin.import_role:
        name: preflight
        tasks_from: hosts.yml
"""


# What roles and templates use, and one interface: others may come and go meanwhile.
USED = [
    "architecture",
    "distribution",
    "distribution_major_version",
    "distribution_release",
    "distribution_version",
    "lo",
    "memtotal_mb",
    "processor_vcpus",
    "python",
    "service_mgr",
    "virtualization_type",
]
COMPARISON = f"""
- name: Gather twice
  hosts: pi1
  gather_facts: false
  tasks:
    - name: Gather by the module for it
      ansible.builtin.setup:
        gather_subset: ["!all", "!min", distribution, hardware, network, platform, python, service_mgr, virtual]
      register: known

    - name: Gather by the check
      preflight_probe:
        path: /
        gather_facts: true
      register: found

    - name: Compare
      ansible.builtin.assert:
        that: found.ansible_facts[item] == known.ansible_facts[item]
        fail_msg: "{{{{ item }}}}: {{{{ found.ansible_facts[item] }}}}, not {{{{ known.ansible_facts[item] }}}}"
      loop: {[f"ansible_{name}" for name in USED]}
"""


def _run(directory: Path, tree: dict[str, Any], play: str) -> subprocess.CompletedProcess[str]:
    """Run a play in check mode, with this machine in the place of every host."""
    (directory / "ansible.cfg").touch()
    tree["all"]["vars"] |= {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (directory / "hosts.yml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    (directory / "play.yml").write_text(play, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(PROJECT / "roles"),
        "ANSIBLE_LIBRARY": str(PROJECT / "roles" / "preflight" / "library"),
        "ANSIBLE_MODULE_UTILS": str(PROJECT / "plugins" / "module_utils"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(directory / "ansible"),
    }
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--check", "-i", "hosts.yml", "play.yml"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("facts", [True, False])
def test_hosts_are_checked_against_what_they_really_are(tmp_path: Path, facts: bool) -> None:
    """Values that wait for facts are decided now; what is on no interface is found; one host's fault stops all.

    Where the play has gathered no facts, the check does.
    """
    tree = good()
    nodes = tree["all"]["children"]["keydb_nodes"]["hosts"]
    tree["all"]["children"]["keydb_nodes"]["hosts"] = {name: nodes[name] for name in ("pi1", "pi2")}
    nodes["pi1"]["keydb_maxmemory_mb"] = "{{ ansible_facts.memtotal_mb * 2 }}"
    nodes["pi2"]["keydb_maxclients"] = "{{ ansible_facts.processor_vcpus * 0 }}"
    nodes["pi2"]["keydb_data_dir"] = "/{{ ansible_facts.distribution }}/data"
    nodes["pi2"]["preflight_min_free_mb"] = 10**9
    done = _run(tmp_path, tree, PLAYBOOK.format(facts=str(facts).lower()))
    assert done.returncode != 0
    assert "on pi1. No host has been changed." in done.stdout + done.stderr
    for name, host, words in (
        ("keydb_maxmemory_mb", "pi1", "is more than the host has"),
        ("keydb_maxclients", "pi2", "is out of range"),
        ("cluster_network_address", "pi1", "is on no interface of this host"),
        ("cluster_network_address", "pi2", "is on no interface of this host"),
        ("keydb_data_dir", "pi2", "has too little free disk space"),
    ):
        assert f"  {name}: {words}\n    host     {host}\n    given    " in done.stdout + done.stderr
    assert done.stdout.count("changed=0") == len(("pi1", "pi2"))


def test_facts_are_those_that_the_module_for_them_gathers(tmp_path: Path) -> None:
    done = _run(tmp_path, good(), COMPARISON)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_connection_is_found_above_sudo(tmp_path: Path) -> None:
    """As in /proc: the module's process came from sudo, that from the shell that sshd started."""
    for process, name, parent, environment in (
        ("self", "python3", "30", b"PATH=/bin\0"),
        ("30", "sudo (x) y", "20", b"SUDO_USER=pi\0"),
        ("20", "sh", "10", b"HOME=/\0SSH_CONNECTION=192.0.2.1 40000 192.0.2.11 22\0"),
        ("10", "sshd", "0", b"SSH_CONNECTION=no\0"),
    ):
        (tmp_path / process).mkdir()
        (tmp_path / process / "environ").write_bytes(environment)
        (tmp_path / process / "stat").write_text(f"1 ({name}) S {parent} 1 1")
    assert ssh_address(environments(proc=tmp_path)) == "192.0.2.11"
    (tmp_path / "20" / "environ").unlink()
    assert ssh_address(environments(proc=tmp_path)) == ""
