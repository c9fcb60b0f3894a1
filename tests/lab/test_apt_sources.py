"""Which mirrors the lab's nodes use."""

from __future__ import annotations

from pathlib import Path

import lab_apt_sources
import pytest
from lab_apt_sources import Source

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
    assert lab_apt_sources.parse_deb822(DEB822) == [
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
    assert lab_apt_sources.parse_deb822(stanza) == [
        Source("http://a.example/debian", "bookworm", ["main"], ""),
        Source("http://b.example/debian", "bookworm", ["main"], ""),
    ]


def test_reads_one_line_sources() -> None:
    assert lab_apt_sources.parse_one_line(ONE_LINE) == [
        Source("http://mirror.example/debian", "bookworm", ["main", "contrib"], "/usr/share/keyrings/mirror.gpg"),
        Source("http://mirror.example/debian-security", "bookworm-security", ["main"], ""),
    ]


def test_reads_both_kinds_of_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n", encoding="utf-8")
    (tmp_path / "sources.list.d" / "b.sources").write_text(DEB822, encoding="utf-8")
    (tmp_path / "sources.list.d" / "c.list.save").write_text(ONE_LINE, encoding="utf-8")
    found = [source.uri for source in lab_apt_sources.read_sources(tmp_path)]
    assert found == ["http://a.example/debian"] + ["http://mirror.example/debian"] * 2 + [
        "http://mirror.example/debian-security/"
    ]


@pytest.mark.parametrize("text", [DEB822, ONE_LINE], ids=["deb822", "one-line"])
def test_nodes_use_the_machines_mirror_its_security_and_backports(text: str) -> None:
    parse = lab_apt_sources.parse_deb822 if text is DEB822 else lab_apt_sources.parse_one_line
    chosen = {source.suite: source for source in lab_apt_sources.image_sources(parse(text), "bookworm")}
    assert chosen["bookworm"].uri == chosen["bookworm-backports"].uri == "http://mirror.example/debian"
    assert chosen["bookworm-security"].uri == "http://mirror.example/debian-security"
    assert {source.signed_by for source in chosen.values()} == {"/usr/share/keyrings/mirror.gpg", KEYRING}
    assert all(source.components == ["main"] for source in chosen.values())


def test_a_cloud_images_mirror_list_is_followed(tmp_path: Path) -> None:
    listed = tmp_path / "debian.list"
    listed.write_text("# nearest\nhttps://cdn.example/debian priority:1\nhttps://b.example/debian\n", encoding="utf-8")
    for uri in (f"mirror+file:{listed}", f"mirror+file://{listed}"):
        assert lab_apt_sources.plain_uri(uri) == "https://cdn.example/debian"


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
        lab_apt_sources.image_sources([source], "bookworm")


def test_another_release_comes_from_the_mirrors_of_the_machines_own() -> None:
    chosen = {
        source.suite: source
        for source in lab_apt_sources.image_sources(lab_apt_sources.parse_one_line(ONE_LINE), "trixie", "bookworm")
    }
    assert set(chosen) == {"trixie", "trixie-security", "trixie-backports"}
    assert chosen["trixie"].uri == "http://mirror.example/debian"
    assert chosen["trixie-security"].uri == "http://mirror.example/debian-security"


def test_a_source_that_names_the_release_comes_first() -> None:
    sources = [
        Source("http://old.example/debian", "bookworm", ["main"], ""),
        Source("http://new.example/debian", "trixie", ["main"], ""),
    ]
    assert lab_apt_sources.image_sources(sources, "trixie", "bookworm")[0].uri == "http://new.example/debian"
