"""Where server and clients run while delays are measured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.placement import apart

THREADED = """
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def server() -> Iterator[int]:
    """A process with two threads."""
    with subprocess.Popen([sys.executable, "-c", THREADED], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        yield process.pid
        process.kill()


def processors_of(process: int) -> list[set[int]]:
    return [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{process}/task").iterdir()]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one processor")
def test_the_server_has_a_processor_of_its_own_for_as_long_as_asked(server: int) -> None:
    before = os.sched_getaffinity(0)
    with apart(server):
        placed = processors_of(server)
        assert len(placed) == 2
        assert placed[0] == placed[1] == {max(before)}
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stdout.strip() == str(sorted(before - {max(before)}))
    assert os.sched_getaffinity(0) == before
    assert processors_of(server) == [before, before]


def test_with_one_processor_nothing_is_done(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = processors_of(server)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0})
    with apart(server):
        monkeypatch.undo()
        assert processors_of(server) == before
