"""The program that keeps a server from closing its descriptor 0."""

from __future__ import annotations

import subprocess
import sys

import pytest
from roles_servers import GUARD

CLOSES = "import os, sys; os.close(0); os.fstat(0); os.close(1)"


def run(*command: str, python: str = "/usr/bin/python3") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-B", *command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_what_it_runs_keeps_descriptor_0_and_closes_others() -> None:
    done = run(
        str(GUARD),
        sys.executable,
        "-c",
        f"{CLOSES}\ntry: os.fstat(1)\nexcept OSError: print('closed', file=sys.stderr)",
    )
    assert (done.returncode, done.stderr) == (0, "closed\n")


def test_without_it_the_same_program_fails() -> None:
    assert "Bad file descriptor" in run("-c", CLOSES, python=sys.executable).stderr


def test_without_the_library_the_program_runs_all_the_same() -> None:
    done = run("-S", str(GUARD), sys.executable, "-c", "print('runs')")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr == "<4>guard: descriptor 0 is not guarded: No module named 'seccomp'\n"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ([], 2, "usage: keydb-guard PROGRAM ARGUMENT...\n"),
        (["/nowhere/program"], 1, "<3>guard: /nowhere/program: [Errno 2] No such file or directory\n"),
    ],
)
def test_a_wrong_call(command: list[str], code: int, said: str) -> None:
    done = run(str(GUARD), *command)
    assert (done.returncode, done.stderr) == (code, said)
