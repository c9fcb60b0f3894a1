"""What the lab finds out about the machine that it runs on."""

from __future__ import annotations

import json

import lab_machine
import pytest

ORDINARY = {"cgroup_v2": True, "systemd": True, "can_raise_limits": True, "netavark": True}
LIMITS = {"nofile": 1048576, "nproc": -1}


def test_an_ordinary_host_needs_no_configuration_of_podman() -> None:
    assert lab_machine.containers_conf(**ORDINARY, hard_limits=LIMITS) == ""


@pytest.mark.parametrize("missing", ["cgroup_v2", "systemd"])
def test_a_minimal_machine_gets_runc_and_cgroupfs(missing: str) -> None:
    written = lab_machine.containers_conf(**(ORDINARY | {missing: False}), hard_limits=LIMITS)
    assert written == (
        "[engine]\n"
        'runtime = "runc"\n'
        'cgroup_manager = "cgroupfs"\n'
        'events_logger = "file"\n'
        "\n"
        "[containers]\n"
        'default_ulimits = ["nofile=4096:8192", "nproc=4096:8192"]\n'
    )


def test_limits_stay_below_the_machines_own() -> None:
    written = lab_machine.containers_conf(
        **(ORDINARY | {"can_raise_limits": False}), hard_limits={"nofile": 1024, "nproc": 6000}
    )
    assert written == '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:6000"]\n'


def test_another_network_backend_is_overruled() -> None:
    written = lab_machine.containers_conf(**(ORDINARY | {"netavark": False}), hard_limits=LIMITS)
    assert written == '[network]\nnetwork_backend = "netavark"\n'


def answer(**replies: str):  # noqa: ANN201  # a stand-in for lab_machine.output_of
    """Commands that answer by their last word."""
    return lambda *command: replies.get(command[-1].replace("::", "_"), "")


def test_reads_apts_proxies() -> None:
    ask = answer(Acquire_http_Proxy="PROXY='http://cache.example:3142'\n", Acquire_https_Proxy="PROXY='DIRECT'\n")
    assert lab_machine.apt_proxies(ask) == {"http": "http://cache.example:3142"}
    assert lab_machine.apt_proxies(answer()) == {}


@pytest.mark.parametrize(("mtu", "expected"), [(1400, 1400), (1500, 1500), (9000, 1500)])
def test_links_are_no_wider_than_the_way_outside(mtu: int, expected: int) -> None:
    links = json.dumps([{"ifname": "lo", "mtu": 65536}, {"ifname": "eth0", "mtu": mtu}, {"ifname": "tun0", "mtu": 576}])
    ask = answer(default=json.dumps([{"dst": "default", "dev": "eth0"}]), link=links)
    assert lab_machine.default_mtu(ask) == expected


def test_a_machine_without_a_way_outside_has_ordinary_links() -> None:
    assert lab_machine.default_mtu(answer()) == 1500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=debian\nVERSION_CODENAME=bookworm\nVERSION="12"\n', "bookworm"),
        ('VERSION_CODENAME="noble"\n', "noble"),
        ("ID=arch\n", ""),
    ],
)
def test_reads_the_machines_own_release(text: str, expected: str) -> None:
    assert lab_machine.own_release(text) == expected


MOUNTED = "binfmt_misc /proc/sys/fs/binfmt_misc binfmt_misc rw 0 0\n"
RULE = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: {flags}\noffset 0\n"


@pytest.mark.parametrize(
    ("architecture", "mounted", "rule", "expected"),
    [
        ("amd64", "", None, ""),
        ("arm64", "proc /proc proc rw 0 0\n", None, "mount"),
        ("arm64", MOUNTED, None, "rule"),
        # Without F the emulator is looked for in the container, where it is not.
        ("arm64", MOUNTED, RULE.format(flags="OC"), "rule"),
        ("arm64", MOUNTED, RULE.format(flags="POCF"), ""),
    ],
)
def test_says_what_an_emulator_lacks(architecture: str, mounted: str, rule: str | None, expected: str) -> None:
    assert lab_machine.emulator(architecture, "amd64", mounted, rule) == expected
