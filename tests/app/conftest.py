"""Fixtures of the app's tests. They import the checkout's package, and the modules that lie beside this file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "app" / "src")]

from app_certificates import Certificates  # noqa: E402 - these follow the path
from app_harness import ENGINES, PATIENCE, Observe, Program, Server, StartProgram, StartServer  # noqa: E402 - these follow
from keydb_observer import Change, Observer  # noqa: E402 - it follows the path

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("app", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("app")


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start_server(engine: str, tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server with these further arguments; all are killed at the end."""
    servers: list[Server] = []

    def start(*arguments: str, certificates: Certificates | None = None) -> Server:
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir()
        server = Server(engine, directory, arguments, certificates)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture
def start_program() -> Iterator[StartProgram]:
    """Starts the program. It must still run at the end of the test, unless that ended it, and never trace back."""
    programs: list[Program] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> Program:
        program = Program(*arguments, environment=environment)
        programs.append(program)
        return program

    yield start
    codes = [program.process.poll() for program in programs]
    for program in programs:
        program.end()
    for program, code in zip(programs, codes, strict=True):
        assert code in (None, 0), f"it exited with {code}: {program.lines}"
        assert not program.matching("Traceback|Error:|Exception ignored"), program.lines


@pytest.fixture
def observe() -> Iterator[Observe]:
    """Starts an observer in a thread: ``observe(handler, mode=…, node=…)``."""
    running: list[tuple[Observer, threading.Thread]] = []

    def start(handler: Callable[[Change], object] | None = None, **options: object) -> Observer:
        observer = Observer(handler, **options)
        thread = threading.Thread(target=observer.run, daemon=True)
        thread.start()
        running.append((observer, thread))
        return observer

    yield start
    for observer, thread in running:
        observer.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it does not stop"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.create(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of an authority that the server does not know."""
    return Certificates.create(tmp_path_factory.mktemp("other_certificates"))
