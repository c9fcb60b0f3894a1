"""How far a clock may be off: what is made of chronyc's answers, and of their absence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from app_harness import eventually
from hypothesis import example, given
from hypothesis import strategies as st
from keydb_observer.clock import ErrorBound, combined, is_within_error, parse_tracking

# Answers of chronyc 4.3: from a client, from a server that is its own reference, and before there was any source.
SYNCHRONISED = (
    "7F000001,127.0.0.1,9,1795432529.859946341,-0.000001223,0.000000079,0.000000219,0.012,0.002,0.146,"
    "0.000005762,0.000000532,1.0,Normal\n"
)
LOCAL = (
    "7F7F0101,,8,1795432519.187240959,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "0.000000000,0.000000000,0.0,Normal\n"
)
UNSYNCHRONISED = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "1.000000000,1.000000000,0.0,Not synchronised\n"
)
NO_DAEMON = "506 Cannot talk to daemon\n"


def tracking(offset: str = "0.000000000", delay: str = "0.000000000", dispersion: str = "0.000000000") -> str:
    facts = SYNCHRONISED.split(",")
    facts[4], facts[10], facts[11] = offset, delay, dispersion
    return ",".join(facts)


@pytest.mark.parametrize(
    ("text", "error_ns"),
    [
        (SYNCHRONISED, 1_223 + 532 + 2_881),
        (SYNCHRONISED.replace("Normal", "Insert second"), 4_636),
        (LOCAL, 0),
        (UNSYNCHRONISED, None),
        (NO_DAEMON, None),
        ("", None),
        (SYNCHRONISED * 2, None),
        (SYNCHRONISED.replace("Normal", "Normally"), None),
        (tracking(offset="1.500000000"), 1_500_000_000),
        (tracking(delay="0.000000003"), 2),
        (tracking(delay="-0.000000001"), None),
        (tracking(dispersion="-0.000000001"), None),
        (tracking(offset="nan"), None),
        (tracking(offset="1e9999999"), None),
        (tracking(offset="1"), None),
        (tracking(offset=""), None),
        (tracking(offset="٣.٣"), None),
    ],
)
def test_answers(text: str, error_ns: int | None) -> None:
    assert parse_tracking(text) == error_ns


nanoseconds = st.integers(0, 10**18 - 1)


def seconds(duration_ns: int) -> str:
    return f"{'-' if duration_ns < 0 else ''}{abs(duration_ns) // 10**9}.{abs(duration_ns) % 10**9:09d}"


@given(st.integers(-(10**18) + 1, 10**18 - 1), nanoseconds, nanoseconds)
def test_bound_is_the_sum_to_the_nanosecond(offset: int, delay: int, dispersion: int) -> None:
    text = tracking(seconds(offset), seconds(delay), seconds(dispersion))
    assert parse_tracking(text) == abs(offset) + dispersion + (delay + 1) // 2


@given(st.text() | st.lists(st.text(), min_size=14, max_size=14).map(",".join))
@example(",".join(["1.0"] * 13 + ["Normal"]))
def test_nothing_that_is_answered_raises(text: str) -> None:
    error_ns = parse_tracking(text)
    assert error_ns is None or error_ns >= 0


class Host:
    """A host's clock, and what its chronyc does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answer: str | Exception = FileNotFoundError("chronyc")
        self.bound = ErrorBound(run=self._run, interval_s=15.0, monotonic=lambda: self.now)

    def _run(self, *_arguments: object, **_options: object) -> subprocess.CompletedProcess[str]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return subprocess.CompletedProcess((), 0, self.answer, "")

    def after(self, pause: float, answer: str | Exception) -> int | None:
        self.now += pause
        self.answer = answer
        self.bound.refresh()
        return self.bound.error_ns


def test_bound_follows_the_answers() -> None:
    host = Host()
    assert host.bound.error_ns is None
    assert host.after(15, FileNotFoundError("chronyc")) is None
    assert host.after(15, SYNCHRONISED) == 4_636
    assert host.after(15, LOCAL) == 0
    assert host.after(15, UNSYNCHRONISED) is None
    assert host.after(15, SYNCHRONISED) == 4_636
    assert host.after(15, "nonsense") is None


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("chronyc"),
        PermissionError("chronyc"),
        subprocess.TimeoutExpired("chronyc", 2),
        subprocess.CalledProcessError(1, "chronyc", NO_DAEMON),
    ],
)
def test_bound_holds_for_four_intervals(failure: Exception) -> None:
    host = Host()
    assert host.after(0, SYNCHRONISED) == 4_636
    assert host.after(59, failure) == 4_636
    assert host.after(2, failure) is None
    assert host.after(1, SYNCHRONISED) == 4_636


def test_program_that_is_installed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    bound = ErrorBound(interval_s=0.05)
    bound.start()
    try:
        assert bound.error_ns is None
        install(tmp_path, SYNCHRONISED)
        eventually(lambda: bound.error_ns == 4_636, "the bound is known")
        install(tmp_path, UNSYNCHRONISED)
        eventually(lambda: bound.error_ns is None, "the bound is known no longer")
        install(tmp_path, LOCAL)
        eventually(lambda: bound.error_ns == 0, "it is its own reference")
        (tmp_path / "chronyc").unlink()
        eventually(lambda: bound.error_ns is None, "the bound is too old")
    finally:
        bound.stop()
    eventually(lambda: not bound._thread.is_alive(), "the thread ends")


def install(directory: Path, answer: str) -> None:
    """A chronyc that answers this, when it is asked as it should be."""
    script = directory / "chronyc.new"
    script.write_text(
        f"""#!/bin/sh
        [ "$*" = "-h 127.0.0.1 -c -n tracking" ] && [ "$LC_ALL" = C ] || exit 1
        echo '{answer.strip()}'
        """,
        encoding="utf-8",
    )
    script.chmod(0o755)
    script.rename(directory / "chronyc")


def test_a_surprise_does_not_end_the_thread() -> None:
    answers = iter([RuntimeError("surprise")])

    def run(*_arguments: object, **_options: object) -> subprocess.CompletedProcess[str]:
        for surprise in answers:
            raise surprise
        return subprocess.CompletedProcess((), 0, SYNCHRONISED, "")

    bound = ErrorBound(run=run, interval_s=0.01)
    bound.start()
    eventually(lambda: bound.error_ns == 4_636, "the bound is known")
    bound.stop()


def test_two_clocks() -> None:
    assert combined(3, 4) == 7
    assert combined(0, 0) == 0
    assert combined(None, 4) is combined(3, None) is combined(None, None) is None


@pytest.mark.parametrize(
    ("difference_ns", "error_ns", "within"),
    [(-1, None, True), (-10, 5, True), (4, 5, True), (5, 5, False), (0, 0, False), (4, None, False), (0, None, False)],
)
def test_differences_that_tell_nothing(difference_ns: int, error_ns: int | None, within: bool) -> None:
    assert is_within_error(difference_ns, error_ns) is within
