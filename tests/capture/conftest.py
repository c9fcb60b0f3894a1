"""Makes what judges captures importable, what the role sends to hosts, and the real servers of the app's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
sys.path[:0] = [
    str(_HERE),
    str(_REPOSITORY / "tests" / "shared"),
    str(_REPOSITORY / "tests" / "app"),
    str(_REPOSITORY / "app" / "src"),
    str(_REPOSITORY / "roles" / "capture" / "files" / "keydb-capture"),
    str(_REPOSITORY / "roles" / "capture" / "library"),
]

from app_certificates import Certificates  # noqa: E402 - these follow the path
from app_harness import Server  # noqa: E402 - it follows the path
from capture_wire import Wire, why_not  # noqa: E402 - it follows the path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.create(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def wire(tmp_path: Path, certificates: Certificates) -> Iterator[Wire]:
    """A TLS server on loopback, and a capture of what is spoken there."""
    if why_not():
        pytest.skip(why_not())
    directory = tmp_path / "engine"
    directory.mkdir()
    server = Server("redis", directory, certificates=certificates)
    server.start()
    opened = Wire(tmp_path / "run", server)
    try:
        yield opened
    finally:
        opened.close()
        server.kill()
