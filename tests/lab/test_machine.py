"""What the lab finds out about the machine that it runs on."""

from __future__ import annotations

import json
from pathlib import Path

import lab_machine
import pytest
from lab_machine import Source

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/mirror.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://switched-off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# deb http://commented-out.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/mirror.gpg] http://mirror.example/debian bookworm main contrib # ours
deb http://mirror.example/debian-security bookworm-security main
"""


def test_reads_deb822_sources() -> None:
    assert lab_machine.parse_deb822(DEB822) == [
        Source("http://mirror.example/debian", "bookworm", ["main", "contrib"], "/usr/share/keyrings/mirror.gpg"),
        Source(
            "http://mirror.example/debian", "bookworm-updates", ["main", "contrib"], "/usr/share/keyrings/mirror.gpg"
        ),
        Source("http://mirror.example/debian-security/", "bookworm-security", ["main"], ""),
    ]


def test_reads_a_stanza_with_folded_fields_and_a_key_in_it() -> None:
    stanza = """\
Types: deb
URIs: http://a.example/debian
 http://b.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFx
"""
    assert lab_machine.parse_deb822(stanza) == [
        Source("http://a.example/debian", "bookworm", ["main"], ""),
        Source("http://b.example/debian", "bookworm", ["main"], ""),
    ]


def test_reads_one_line_sources() -> None:
    assert lab_machine.parse_one_line(ONE_LINE) == [
        Source("http://mirror.example/debian", "bookworm", ["main", "contrib"], "/usr/share/keyrings/mirror.gpg"),
        Source("http://mirror.example/debian-security", "bookworm-security", ["main"], ""),
    ]


def test_reads_both_kinds_of_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n", encoding="utf-8")
    (tmp_path / "sources.list.d" / "b.sources").write_text(DEB822, encoding="utf-8")
    (tmp_path / "sources.list.d" / "c.list.save").write_text(ONE_LINE, encoding="utf-8")
    found = [source.uri for source in lab_machine.read_sources(tmp_path)]
    assert found == ["http://a.example/debian"] + ["http://mirror.example/debian"] * 2 + [
        "http://mirror.example/debian-security/"
    ]


@pytest.mark.parametrize("text", [DEB822, ONE_LINE], ids=["deb822", "one-line"])
def test_nodes_use_the_machines_mirror_its_security_and_backports(text: str) -> None:
    parse = lab_machine.parse_deb822 if text is DEB822 else lab_machine.parse_one_line
    chosen = {source.suite: source for source in lab_machine.image_sources(parse(text), "bookworm")}
    assert chosen["bookworm"].uri == chosen["bookworm-backports"].uri == "http://mirror.example/debian"
    assert chosen["bookworm-security"].uri == "http://mirror.example/debian-security"
    assert {source.signed_by for source in chosen.values()} == {"/usr/share/keyrings/mirror.gpg", KEYRING}
    assert all(source.components == ["main"] for source in chosen.values())


def test_a_cloud_images_mirror_list_is_followed(tmp_path: Path) -> None:
    listed = tmp_path / "debian.list"
    listed.write_text("# nearest\nhttps://cdn.example/debian priority:1\nhttps://b.example/debian\n", encoding="utf-8")
    for uri in (f"mirror+file:{listed}", f"mirror+file://{listed}"):
        assert lab_machine.plain_uri(uri) == "https://cdn.example/debian"


@pytest.mark.parametrize(
    "source",
    [
        Source("http://mirror.example/debian", "trixie", ["main"], ""),
        Source("http://mirror.example/debian", "bookworm", ["contrib"], ""),
        Source("cdrom:[Debian 12]/", "bookworm", ["main"], ""),
        Source("file:/srv/mirror", "bookworm", ["main"], ""),
        Source("mirror+file:/nowhere/list", "bookworm", ["main"], ""),
    ],
    ids=lambda source: f"{source.uri} {source.suite} {source.components[0]}",
)
def test_says_when_no_mirror_serves_the_nodes(source: Source) -> None:
    with pytest.raises(ValueError, match="no mirror of Debian bookworm"):
        lab_machine.image_sources([source], "bookworm")


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


def test_another_release_comes_from_the_mirrors_of_the_machines_own() -> None:
    chosen = {
        source.suite: source
        for source in lab_machine.image_sources(lab_machine.parse_one_line(ONE_LINE), "trixie", "bookworm")
    }
    assert set(chosen) == {"trixie", "trixie-security", "trixie-backports"}
    assert chosen["trixie"].uri == "http://mirror.example/debian"
    assert chosen["trixie-security"].uri == "http://mirror.example/debian-security"


def test_a_source_that_names_the_release_comes_first() -> None:
    sources = [
        Source("http://old.example/debian", "bookworm", ["main"], ""),
        Source("http://new.example/debian", "trixie", ["main"], ""),
    ]
    assert lab_machine.image_sources(sources, "trixie", "bookworm")[0].uri == "http://new.example/debian"


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
