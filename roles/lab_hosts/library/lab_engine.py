#!/usr/bin/python
"""Ansible module: which engine the lab runs, where it comes from, and why."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_engine
short_description: Choose the engine of the lab
description:
  - KeyDB where a package of it can be had, else Valkey from Debian; or the one that was asked for.
options:
  engine:
    description: V(keydb), V(valkey), V(redis), or empty to choose.
    type: str
    default: ""
  archive:
    description: A KeyDB tarball; empty to look in O(cache).
    type: str
    default: ""
  cache:
    description: Directory of tarballs named keydb-VERSION-ARCHITECTURE.tar.gz.
    type: path
    required: true
  apt_source_uri:
    description: KeyDB's apt repository.
    type: str
    required: true
  release:
    description: Debian release of the nodes.
    type: str
    required: true
  architecture:
    description: The nodes' architecture as dpkg names it.
    type: str
    required: true
author: The project
"""

ENGINES = ("keydb", "valkey", "redis")
ARCHIVE_NAME = re.compile(r"keydb-(?P<version>\d[^/]*)-(?P<architecture>amd64|arm64)\.tar\.gz")
ANSWER_WITHIN_SECONDS = 5


@dataclass(frozen=True)
class Choice:
    """An engine, the inventory variables that make the roles install it, and the reason in plain words."""

    engine: str
    reason: str
    label: str
    variables: dict[str, object] = field(default_factory=dict)


def checksum_of(archive: Path) -> str:
    """SHA-256 of an archive; the one in ``ARCHIVE.sha256`` must agree where that file exists.

    Raises:
        ValueError: The file beside it says otherwise.
    """
    with archive.open("rb") as content:
        computed = hashlib.file_digest(content, "sha256").hexdigest()
    sidecar = archive.with_name(f"{archive.name}.sha256")
    if sidecar.is_file():
        words = sidecar.read_text(encoding="utf-8").split()
        if not words or words[0].lower() != computed:
            raise ValueError(
                f"{archive}: its SHA-256 is {computed}, but {sidecar.name} says {words[0] if words else 'nothing'}"
            )
    return computed


def version_key(archive: Path) -> list[int]:
    """Sort key: the numbers in an archive's name."""
    return [int(number) for number in re.findall(r"\d+", archive.name)]


def find_archives(cache: Path) -> dict[str, Path]:
    """The newest archive of each architecture in the cache directory."""
    found: dict[str, Path] = {}
    for archive in sorted(cache.glob("keydb-*.tar.gz"), key=version_key):
        match = ARCHIVE_NAME.fullmatch(archive.name)
        if match:
            found[match["architecture"]] = archive
    return found


def archive_choice(archives: dict[str, Path], architecture: str, reason: str) -> Choice:
    """KeyDB from local archives, one per architecture."""
    match = ARCHIVE_NAME.fullmatch(archives[architecture].name)
    return Choice(
        engine="keydb",
        reason=reason,
        label=f"keydb {match['version']} (archive)" if match else "keydb (archive)",
        variables={
            "keydb_engine": "keydb",
            "keydb_install_method": "archive",
            "keydb_archives": {
                name: {"src": str(archive), "sha256": checksum_of(archive)} for name, archive in archives.items()
            },
        },
    )


def choose(
    *,
    engine: str,
    archive: str,
    cache: Path,
    architecture: str,
    apt_source_uri: str,
    upstream_answers: Callable[[], bool],
) -> Choice:
    """Choose the engine.

    Args:
        engine: What was asked for; empty to take KeyDB where it can be had and Valkey elsewhere.
        archive: A KeyDB tarball that was named; empty to look in the cache.
        cache: Directory that is searched for tarballs.
        architecture: The nodes' architecture, ``amd64`` or ``arm64``.
        apt_source_uri: Upstream's apt repository, for the reason that is printed.
        upstream_answers: Whether that repository can be reached; asked only when no archive is there.

    Raises:
        ValueError: Unknown engine, an archive that is not there or not what its checksum says, or no KeyDB to be had
            though it was asked for.
    """
    if engine not in ("", *ENGINES):
        raise ValueError(f"LAB_ENGINE={engine}: allowed are {', '.join(ENGINES)}, or unset to choose")
    if engine in ("valkey", "redis"):
        return Choice(engine, "LAB_ENGINE asks for it", f"{engine} (Debian)", {"keydb_engine": engine})

    asked = "LAB_ENGINE asks for it; " if engine else ""
    if archive:
        given = Path(archive).expanduser().absolute()
        if not given.is_file():
            raise ValueError(f"LAB_KEYDB_ARCHIVE={archive}: no such file")
        match = ARCHIVE_NAME.fullmatch(given.name)
        if match and match["architecture"] != architecture:
            built_for = match["architecture"]
            raise ValueError(f"LAB_KEYDB_ARCHIVE={archive}: built for {built_for}, the nodes are {architecture}")
        return archive_choice({architecture: given}, architecture, f"{asked}LAB_KEYDB_ARCHIVE is {given}")
    found = find_archives(cache)
    if architecture in found:
        return archive_choice(found, architecture, f"{asked}found {found[architecture]}")
    if upstream_answers():
        return Choice(
            engine="keydb",
            reason=f"{asked}its apt repository {apt_source_uri} answers",
            label="keydb (apt)",
            variables={"keydb_engine": "keydb", "keydb_install_method": "apt"},
        )

    nothing = f"no keydb-*-{architecture}.tar.gz in {cache}, and {apt_source_uri} does not answer"
    if engine:
        raise ValueError(f"LAB_ENGINE=keydb, but no KeyDB is to be had: {nothing}. Set LAB_KEYDB_ARCHIVE to a tarball.")
    return Choice("valkey", nothing, "valkey (Debian)", {"keydb_engine": "valkey"})


def local_archive(environment: Mapping[str, str], architecture: str) -> Choice | None:
    """KeyDB from the archive that a user's environment leads to: by LAB_KEYDB_ARCHIVE, else in the cache; None without.

    Raises:
        ValueError: LAB_KEYDB_ARCHIVE names a file that is not there or not what its checksum says.
    """
    choice = choose(
        engine="",
        archive=environment.get("LAB_KEYDB_ARCHIVE", ""),
        cache=Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keydb-lab",
        architecture=architecture,
        apt_source_uri="",
        upstream_answers=lambda: False,
    )
    return choice if choice.engine == "keydb" else None


def answers(url: str) -> bool:
    """Whether a URL can be fetched within a few seconds."""
    if not url.startswith(("http://", "https://")):
        return False
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310  # the scheme was checked above
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_SECONDS) as reply:  # noqa: S310  # likewise
            return bool(reply.status == HTTPStatus.OK)
    except (OSError, ValueError):
        return False


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "default": ""},
            "archive": {"type": "str", "default": ""},
            "cache": {"type": "path", "required": True},
            "apt_source_uri": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "architecture": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    in_release = f"{given['apt_source_uri'].rstrip('/')}/dists/{given['release']}/InRelease"
    try:
        choice = choose(
            engine=given["engine"],
            archive=given["archive"],
            cache=Path(given["cache"]).expanduser(),
            architecture=given["architecture"],
            apt_source_uri=given["apt_source_uri"],
            upstream_answers=lambda: answers(in_release),
        )
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False, engine=choice.engine, reason=choice.reason, label=choice.label, variables=choice.variables
    )


if __name__ == "__main__":
    main()
