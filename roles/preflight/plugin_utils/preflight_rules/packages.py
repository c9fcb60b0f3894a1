"""Where the engine comes from: packages, files and archives, with their checksums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .model import Inventory
from .problem import Problem, one_of, shown

ARCHITECTURES = ("amd64", "arm64")
# Valkey and Redis come with the distribution; KeyDB has to be brought along where upstream's host does not answer.
METHODS_OF_ENGINE: Mapping[str, tuple[str, ...]] = {
    "keydb": ("apt", "deb", "archive"),
    "valkey": ("apt",),
    "redis": ("apt",),
}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_URL = re.compile(r"https?://[^/\s]+/\S+")
_SITE = re.compile(r"https?://[^/\s]+(/\S*)?")
_SHA256_ALLOWED = "64 hexadecimal digits, as sha256sum prints them"
_SRC_ALLOWED = "an http(s) URL, or an absolute path on the controller"


def method_problems(inventory: Inventory) -> Iterator[Problem]:
    """The engine can be had by the install method."""
    name = "keydb_install_method"
    for host, method in inventory.values(name):
        engine = inventory.get(host, "keydb_engine")
        methods = METHODS_OF_ENGINE.get(engine)
        if methods and method not in methods:
            yield Problem(name, host, shown(method), one_of(methods), f"does not exist for engine {engine}")


def _files(inventory: Inventory, host: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, {src, sha256}) of each file that is given to a host, used by its install method or not."""
    for architecture, archive in _mapping(inventory.get(host, "keydb_archives")).items():
        yield f"keydb_archives.{architecture}", archive
    for architecture, debs in _mapping(inventory.get(host, "keydb_debs")).items():
        for index, deb in enumerate(debs if isinstance(debs, list) else ()):
            yield f"keydb_debs.{architecture}[{index}]", deb


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def presence_problems(inventory: Inventory) -> Iterator[Problem]:
    """A method that installs files has files, per architecture that we know."""
    for host in inventory.nodes:
        for method, name in (("archive", "keydb_archives"), ("deb", "keydb_debs")):
            value = inventory.get(host, name)
            if value is None:
                continue
            for architecture, files in value.items():
                if method == "deb" and not isinstance(files, list):
                    allowed = "a list of src and sha256"
                    yield Problem(f"{name}.{architecture}", host, shown(files), allowed, "has the wrong type")
                if architecture not in ARCHITECTURES:
                    allowed = one_of(ARCHITECTURES)
                    yield Problem(f"{name}.{architecture}", host, shown(architecture), allowed, "is no architecture")
            if inventory.get(host, "keydb_install_method") == method and not any(value.values()):
                allowed = f"src and sha256 for {one_of(ARCHITECTURES)}"
                yield Problem(name, host, shown(value), allowed, f"is empty, but keydb_install_method is {method}")


def file_problems(inventory: Inventory) -> Iterator[Problem]:
    """Every file has a source and a checksum; one on the controller exists and has that checksum."""
    sums: dict[Path, str] = {}
    for host in inventory.nodes:
        for name, file in _files(inventory, host):
            if not isinstance(file, Mapping):
                yield Problem(name, host, shown(file), "src and sha256", "is not a file's description")
                continue
            yield from _field_problems(name, file, host)
            src, given = file.get("src"), file.get("sha256")
            if isinstance(src, str) and src.startswith(("/", "~/")):
                yield from _local_problems(name, Path(src).expanduser(), given, host, sums)


def _field_problems(name: str, file: Mapping[str, Any], host: str) -> Iterator[Problem]:
    src, sha256 = file.get("src"), file.get("sha256")
    if not src:
        yield Problem(f"{name}.src", host, "nothing", _SRC_ALLOWED, "is missing")
    elif not isinstance(src, str) or not (src.startswith(("/", "~/")) or _URL.fullmatch(src)):
        yield Problem(f"{name}.src", host, shown(src), _SRC_ALLOWED, "is neither a URL nor an absolute path")
    if not sha256:
        yield Problem(f"{name}.sha256", host, "nothing", _SHA256_ALLOWED, "is missing")
    elif not _SHA256.fullmatch(str(sha256)):
        yield Problem(f"{name}.sha256", host, shown(sha256), _SHA256_ALLOWED, "is not a SHA-256 checksum")
    for key in set(file) - {"src", "sha256"}:
        yield Problem(f"{name}.{key}", host, str(key), "src and sha256", "is not a known key")


def _local_problems(name: str, path: Path, given: object, host: str, sums: dict[Path, str]) -> Iterator[Problem]:
    if not path.is_file():
        yield Problem(f"{name}.src", host, shown(str(path)), "a file that exists on the controller", "is not there")
        return
    if not _SHA256.fullmatch(str(given)):
        return
    if path not in sums:
        with path.open("rb") as file:
            sums[path] = hashlib.file_digest(file, "sha256").hexdigest()
    if sums[path] != str(given).lower():
        yield Problem(f"{name}.sha256", host, shown(given), f"{sums[path]}, found in {path}", "does not match the file")


def apt_source_problems(inventory: Inventory) -> Iterator[Problem]:
    """KeyDB's apt source has URLs, and a checksum of its signing key if one is given."""
    for name, pattern in (("keydb_apt_source_uri", _SITE), ("keydb_apt_key_url", _URL)):
        for host, value in inventory.values(name):
            if not pattern.fullmatch(str(value)):
                yield Problem(name, host, shown(value), "an http(s) URL", "is not a URL")
    name = "keydb_apt_key_sha256"
    for host, value in inventory.values(name):
        if value and not _SHA256.fullmatch(str(value)):
            yield Problem(name, host, shown(value), f"{_SHA256_ALLOWED}, or empty", "is not a SHA-256 checksum")


RULES = (method_problems, presence_problems, file_problems, apt_source_problems)
