# SPDX-License-Identifier: MIT
"""Where this machine gets Debian packages from, and so where the lab's nodes can."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Source:
    """One line of apt sources: a mirror, one suite of it, and how its signature is checked."""

    uri: str
    suite: str
    components: list[str]
    signed_by: str


def parse_deb822(text: str) -> list[Source]:
    """Sources of a ``*.sources`` file; disabled stanzas and anything but binary packages are left out."""
    found: list[Source] = []
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
                continue
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        # A key written out in the stanza instead of a file's path cannot be handed on as a path.
        signed_by = fields.get("signed-by", "")
        signed_by = signed_by if signed_by.startswith("/") and "\n" not in signed_by else ""
        for uri in fields.get("uris", "").split():
            found.extend(
                Source(uri, suite, fields.get("components", "").split(), signed_by)
                for suite in fields.get("suites", "").split()
            )
    return found


def parse_one_line(text: str) -> list[Source]:
    """Sources of a ``sources.list``: ``deb [options] URI suite component …``."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if not match:
            continue
        uri, suite, *components = match["rest"].split()
        signed_by = re.search(r"signed-by=(/\S+)", match["options"] or "")
        found.append(Source(uri, suite, components, signed_by[1] if signed_by else ""))
    return found


def read_sources(apt_directory: Path) -> list[Source]:
    """All sources of an apt configuration directory, in apt's own order."""
    found = []
    files = [apt_directory / "sources.list", *sorted((apt_directory / "sources.list.d").glob("*"))]
    for file in files:
        if file.is_file() and file.suffix in (".list", ".sources"):
            parse = parse_deb822 if file.suffix == ".sources" else parse_one_line
            found.extend(parse(file.read_text(encoding="utf-8")))
    return found


def plain_uri(uri: str) -> str:
    """The mirror that apt would ask: ``mirror+file:`` (as on cloud images) names a list, whose first entry it is.

    Returns an empty string for what a container could not reach (cdrom:, file:).
    """
    if uri.startswith("mirror+file:"):
        listed = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
        lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
        uri = next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), "")
    return uri.rstrip("/") if urlsplit(uri).scheme in ("http", "https") else ""


def sources_of_release(sources: Iterable[Source], own: str, release: str) -> list[Source]:
    """The same mirrors' sources of another release: a mirror that carries one carries the others.

    Args:
        sources: The machine's sources.
        own: Code name of the machine's own release.
        release: Code name of the wanted one.
    """
    return [
        replace(source, suite=release + source.suite.removeprefix(own))
        for source in sources
        if source.suite == own or source.suite.startswith(f"{own}-")
    ]


def image_sources(sources: Iterable[Source], release: str, own: str = "") -> list[Source]:
    """What the nodes' apt shall use: this release from the machine's own mirror, its updates, security, and backports.

    Args:
        sources: The machine's sources.
        release: Debian code name.
        own: Code name of the machine's own release, whose mirror is taken where no source names the wanted one.

    Raises:
        ValueError: No mirror of that release is among the sources.
    """
    suites = (release, f"{release}-updates", f"{release}-security", f"{release}-backports")
    chosen: dict[str, Source] = {}
    listed = list(sources)
    for source in [*listed, *(sources_of_release(listed, own, release) if own else [])]:
        uri = plain_uri(source.uri)
        if uri and "main" in source.components and source.suite in suites:
            chosen.setdefault(source.suite, Source(uri, source.suite, ["main"], source.signed_by or DEFAULT_KEYRING))
    if release not in chosen:
        raise ValueError(
            f"no mirror of Debian {release} (component main, http or https) among this machine's apt sources"
        )
    main = chosen[release]
    chosen.setdefault(f"{release}-backports", Source(main.uri, f"{release}-backports", ["main"], main.signed_by))
    return [chosen[suite] for suite in sorted(chosen)]
