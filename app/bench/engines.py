"""The engines that can be had here: Debian's on PATH, and KeyDB from an archive by the same rule as the lab's."""

from __future__ import annotations

import importlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# KeyDB's threads wait for each other by spinning, which is short only if none of them loses its turn.
_REAL_TIME = ("chrt", "--fifo", "1")
_ON_PATH = {"redis": "redis-server", "valkey": "valkey-server"}
KNOWN = (*_ON_PATH, "keydb")


class NoEngineError(Exception):
    """An engine cannot be had, for the reason in the text."""


@dataclass(frozen=True)
class Engine:
    """``label`` is the name with the version, where it is from, and how it is scheduled if not as anything else.

    ``launcher`` is the command, if any, that the server's own is given to.
    """

    name: str
    binary: Path
    label: str
    launcher: tuple[str, ...] = ()


def find_engines(wanted: Sequence[str], environment: Mapping[str, str], directory: Path) -> list[Engine]:
    """The wanted engines, or all that can be had if none are named. KeyDB is unpacked into ``directory``.

    Raises NoEngineError when a wanted one cannot be had, or none at all.
    """
    engines = []
    for name in wanted or KNOWN:
        try:
            engine = _keydb(environment, directory) if name == "keydb" else _from_path(name)
        except NoEngineError as reason:
            if wanted or (name == "keydb" and environment.get("LAB_KEYDB_ARCHIVE")):
                raise
            print(f"without {name}: {reason}")
        else:
            engines.append(engine)
    if not engines:
        raise NoEngineError("there is no engine: apt install redis-server")
    return engines


def _from_path(name: str) -> Engine:
    found = shutil.which(_ON_PATH[name])
    if not found:
        raise NoEngineError(f"there is no {_ON_PATH[name]} on PATH")
    return Engine(name, Path(found), f"{name} {_version(Path(found))}")


def _keydb(environment: Mapping[str, str], directory: Path) -> Engine:
    archive = _keydb_archive(environment)
    with tarfile.open(archive) as content:
        content.extractall(directory, filter="data")
    binary = next(directory.glob("*/bin/keydb-server"), None)
    if binary is None:
        raise NoEngineError(f"{archive} has no bin/keydb-server")
    _version(binary)
    # A build that somebody made from a checkout calls itself 255.255.255: the archive's name says what it is.
    label = f"{archive.name.removesuffix('.tar.gz')} (archive)"
    if _can_run([*_REAL_TIME, "true"]):
        return Engine("keydb", binary, f"{label}, SCHED_FIFO", _REAL_TIME)
    return Engine("keydb", binary, label)


def _can_run(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _keydb_archive(environment: Mapping[str, str]) -> Path:
    sys.path.insert(0, str(_REPOSITORY / "roles" / "lab_hosts" / "library"))
    try:
        lab_engine = importlib.import_module("lab_engine")
    except ImportError as error:
        raise NoEngineError(f"the lab's rule for archives cannot be used: {error}") from None
    finally:
        sys.path.pop(0)
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    try:
        choice = lab_engine.local_archive(environment, architecture)
    except ValueError as error:
        raise NoEngineError(str(error)) from None
    if choice is None:
        raise NoEngineError(f"LAB_KEYDB_ARCHIVE is not set, and the cache has no keydb-*-{architecture}.tar.gz")
    return Path(choice.variables["keydb_archives"][architecture]["src"])


def _version(binary: Path) -> str:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoEngineError(f"{binary} does not run: {error}") from None
    match = re.search(r"v=(\S+)", said)
    return match[1] if match else said.strip()
