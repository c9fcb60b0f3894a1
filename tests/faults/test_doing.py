"""A fault from its beginning to its end on a host, and what is left for the timer when something goes wrong."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults_fakes import FakeHost, fake_host
from keydb_faults.armed import InForce, arm, in_force, undo
from keydb_faults.doing import await_observers, await_whole, do, last_sample
from keydb_faults.ending import end
from keydb_faults.host import CommandError, Host
from keydb_faults.kinds.kind import Given, Kind, NotPossibleError, Part


class Trial(Kind):
    """Notes what is done with it; what goes wrong is raised as ``error``."""

    name = "trial"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.error: BaseException | None = None
        self.sticks = False
        self.why = ""
        self.hangs_up: set[str] = set()

    def why_not(self, host: Host) -> str:  # noqa: ARG002 - as the base has it
        return self.why

    def prepare(self, host: Host, given: Given) -> dict[str, Any]:  # noqa: ARG002 - as the base has it
        return {"before": given.get("number")}

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        self.done.append(f"inject {given.get('number')}")
        assert in_force(host.state)
        self._hang_up("inject")
        if self.error:
            raise self.error
        return "somehow"

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        self._hang_up("undo")
        self.done.append(f"undo {kept['before']}")
        if self.sticks:
            raise CommandError("stuck")

    def _hang_up(self, where: str) -> None:
        if where in self.hangs_up:
            os.kill(os.getpid(), signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What a fault does with them ends with the program elsewhere."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def trial() -> Trial:
    return Trial()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return fake_host(tmp_path)


ARMS = "systemctl restart keydb-faults-undo.timer keydb-faults-end.timer"
DISARMS = "systemctl stop keydb-faults-undo.timer"
PARTS = [Part("node1", "trial", {"number": 1}), Part("node1", "trial", {"number": 2})]


def test_it_is_armed_before_and_disarmed_after(host: FakeHost, trial: Trial) -> None:
    before = time.time_ns()
    result = do(host, {"trial": trial}, PARTS, hold_s=0.2)
    assert trial.done == ["inject 1", "inject 2", "undo 2", "undo 1"]
    assert host.commands == [DISARMS, ARMS, DISARMS]
    assert result["outcome"] == "done"
    assert result["how"] == ["somehow", "somehow"]
    assert before < result["begun_ns"]
    assert result["begun_ns"] + 0.2e9 <= result["undone_ns"] <= time.time_ns()
    assert in_force(host.state) == []


@pytest.mark.parametrize(("failures", "is_armed"), [(2, True), (3, False)])
def test_a_timer_that_does_not_start_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, is_armed: bool
) -> None:
    answers: dict[str, str | None] = {"systemctl restart": None}
    host = fake_host(tmp_path, answers=answers)

    def passes(_seconds: float) -> None:
        if len(host.commands) == failures:
            host.answers["systemctl restart"] = ""

    monkeypatch.setattr(time, "sleep", passes)
    if is_armed:
        arm(host, [])
    else:
        with pytest.raises(CommandError):
            arm(host, [])
    assert len(host.commands) == 3


@pytest.mark.parametrize("where", ["why_not", "inject"])
def test_what_is_not_possible_is_told(host: FakeHost, trial: Trial, where: str) -> None:
    if where == "why_not":
        trial.why = "no such luck"
    else:
        trial.error = NotPossibleError("no such luck")
    assert do(host, {"trial": trial}, PARTS[:1], 0)["outcome"] == "not possible here: no such luck"
    assert in_force(host.state) == []
    assert (ARMS in host.commands) == (where == "inject")


def test_what_fails_is_undone(host: FakeHost, trial: Trial) -> None:
    trial.error = CommandError("nft: no")
    assert do(host, {"trial": trial}, PARTS[:1], 0)["outcome"] == "failed: nft: no"
    assert trial.done == ["inject 1", "undo 1"]


def test_an_interrupt_is_undone(host: FakeHost, trial: Trial) -> None:
    trial.error = SystemExit(143)
    with pytest.raises(SystemExit):
        do(host, {"trial": trial}, PARTS[:1], 0)
    assert trial.done == ["inject 1", "undo 1"]
    assert in_force(host.state) == []


@pytest.mark.parametrize("hangs_up", [{"inject"}, {"inject", "undo"}, {"undo"}])
def test_hanging_up_undoes_it_however_often_that_is_told(host: FakeHost, trial: Trial, hangs_up: set[str]) -> None:
    """As when the controller is killed: the terminal goes, and both the kernel and sudo say so."""
    trial.hangs_up = hangs_up
    try:
        do(host, {"trial": trial}, PARTS, 0)
        was_interrupted = False
    except SystemExit:
        was_interrupted = True
    assert was_interrupted == ("inject" in hangs_up)
    assert trial.done[-2:] == ["undo 2", "undo 1"]
    assert in_force(host.state) == []


def test_hanging_up_while_it_is_armed_undoes_it(tmp_path: Path, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_host: FakeHost, *command: str) -> str:
        if command[1] == "restart":
            os.kill(os.getpid(), signal.SIGHUP)
        return ""

    monkeypatch.setattr(FakeHost, "run", run)
    host = fake_host(tmp_path)
    with pytest.raises(SystemExit):
        do(host, {"trial": trial}, PARTS[:1], 0)
    assert trial.done == ["undo 1"]
    assert in_force(host.state) == []


def test_what_a_killed_program_leaves_is_undone_by_the_timer(host: FakeHost, trial: Trial) -> None:
    """Nothing but what is on the disk tells what there is to undo."""
    arm(host, [InForce("trial", {"number": 1}, {"before": 1})])
    assert json.loads((host.state / "armed.json").read_text("utf-8"))[0]["kept"] == {"before": 1}
    assert undo(host, {"trial": trial}) == []
    assert undo(host, {"trial": trial}) == []
    assert trial.done == ["undo 1"]


def test_what_is_left_over_is_undone_before_the_next(host: FakeHost, trial: Trial) -> None:
    arm(host, [InForce("trial", {}, {"before": 0})])
    do(host, {"trial": trial}, PARTS[:1], 0)
    assert trial.done == ["undo 0", "inject 1", "undo 1"]


def test_what_sticks_stays_armed_and_is_told(host: FakeHost, trial: Trial) -> None:
    trial.sticks = True
    outcome = do(host, {"trial": trial}, PARTS[:1], 0)["outcome"]
    assert outcome == "failed: trial is not undone: stuck"
    assert [each.kept for each in in_force(host.state)] == [{"before": 1}]
    assert host.commands[-1] == ARMS


def test_with_something_stuck_the_program_stays(host: FakeHost, trial: Trial) -> None:
    trial.sticks = True
    arm(host, [InForce("trial", {}, {"before": 1})])
    assert end(host, {"trial": trial}, forgets=False) == {"problems": ["trial is not undone: stuck"]}
    assert in_force(host.state) != []
    assert host.commands[-1] == "systemctl disable --now keydb-faults-storm.service keydb-faults-journal.service"


def sample(at_ns: int, **more: Any) -> str:
    return json.dumps({"at_ns": at_ns, "up": True, "loading": False, "links_up": 2, "links": 2, **more}) + "\n"


def test_links_are_up_once_three_new_samples_in_a_row_say_so(host: FakeHost) -> None:
    """Samples of before do not count, and a last line that is cut off is not there yet."""
    host.samples.write_text(sample(1) * 5, encoding="utf-8")
    stop = threading.Event()

    def go_on() -> None:
        for number in range(100):
            with host.samples.open("a", encoding="utf-8") as file:
                file.write(sample(time.time_ns(), links_up=2 if number > 2 else 1))
            if stop.wait(0.05):
                return

    writing = threading.Thread(target=go_on)
    writing.start()
    try:
        told = await_whole(host, within_s=10)
    finally:
        stop.set()
        writing.join()
    assert told["whole"]
    assert 0.3 < told["waited_s"] < 5


def test_waiting_for_links_comes_to_an_end(host: FakeHost) -> None:
    host.samples.write_text(sample(time.time_ns() + 10**12, loading=True), encoding="utf-8")
    told = await_whole(host, within_s=0.5)
    assert not told["whole"]
    assert told["last"]["loading"]
    assert 0.5 <= told["waited_s"] < 2


def test_of_samples_the_last_whole_line_counts(host: FakeHost) -> None:
    assert last_sample(host) is None
    host.samples.write_text(sample(1) + sample(2) + sample(3)[:-20], encoding="utf-8")
    found = last_sample(host)
    assert found
    assert found["at_ns"] == 2


@pytest.mark.parametrize(
    ("message", "run", "lacking"),
    [
        ("listener-sync read shared_key: writer timestamp 1.5 seq 7, Time", "now", []),
        (
            "listener-sync found on subscribing shared_key: writer timestamp 1.5",
            "now",
            ["observer-listener-sync.service"],
        ),
        (
            "listener-sync read shared_key: writer timestamp 1.5 seq 7, Time",
            "before",
            ["observer-listener-sync.service"],
        ),
    ],
)
def test_an_observer_is_there_once_its_present_run_was_told_of_a_write(
    tmp_path: Path, message: str, run: str, lacking: list[str]
) -> None:
    observers = ["observer-listener-sync.service"]
    host = fake_host(tmp_path, observers=observers, answers={"systemctl show --property=InvocationID": "now\n"})
    entry = {"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1", "MESSAGE": message, "_SYSTEMD_INVOCATION_ID": run}
    host.journal.write_text(json.dumps(entry) + "\n", encoding="utf-8")
    assert await_observers(host, within_s=0) == {"lacking": lacking}


def test_what_is_run_is_run_also_when_nobody_listens_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the controller is killed while a fault is in force."""

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    assert Host.run(fake_host(tmp_path), "echo", "undone") == "undone\n"
