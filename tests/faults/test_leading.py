"""A run as the controller leads it, over hosts that answer as they are told to."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import faults_leading
import pytest
from faults_fakes import cluster_of
from faults_leading import GivenUpError, Leader, LostError, Settings
from keydb_faults.kinds import KINDS, chosen

Answer = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class FakeRemote:
    """Answers orders, and notes them in the order in which they were begun and answered."""

    def __init__(self, name: str, notes: list[str], answer: Answer | None = None) -> None:
        self._name = name
        self._notes = notes
        self._answer = answer
        self._order: tuple[str, Mapping[str, Any]] = ("", {})
        self._clock = 1000
        self._boots = 0

    def begin(self, command: str, given: Mapping[str, Any], within_s: float) -> None:  # noqa: ARG002 - as the base has it
        assert not self._order[0], "one order at a time"
        self._order = command, given
        self._notes.append(f"{self._name} {command}")

    def finish(self) -> dict[str, Any]:
        command, given = self._order
        self._order = ("", {})
        self._notes.append(f"{self._name} {command} answered")
        if self._answer and (answer := self._answer(command, given)):
            return answer
        if command == "do":
            self._clock += 1000
            return {"outcome": "done", "begun_ns": self._clock, "undone_ns": self._clock + 500, "how": []}
        self._boots += command == "boot"
        return {"check": {}, "await": {"whole": True, "waited_s": 0.5}, "boot": {"boot": self._boots}}.get(command, {})


class Trial:
    """A run over three hosts; ``answers`` are those of some of them."""

    def __init__(self, only: list[str], count: int, answers: Mapping[str, Answer] | None = None, **more: Any) -> None:
        self.notes: list[str] = []
        self.said: list[str] = []
        self.log = io.StringIO()
        cluster = cluster_of(3)
        restart = more.pop("restart_commands", {})
        self.leader = Leader(
            remotes={
                node.name: FakeRemote(node.name, self.notes, (answers or {}).get(node.name)) for node in cluster.nodes
            },
            cluster=cluster,
            kinds=chosen(only),
            all_kinds=KINDS,
            settings=Settings(5, count, hold_s=3, interval_s=0, links_within_s=9, restart_commands=restart),
            log=self.log,
            say=self.said.append,
            **more,
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_RETRY_S", "_PAUSE_S", "_GRACE_S"):
        monkeypatch.setattr(faults_leading, name, 0.01)
    monkeypatch.setattr(faults_leading, "_BOOT_WITHIN_S", 0.5)


def test_so_many_faults_happen_as_were_asked_for() -> None:
    trial = Trial([], 50)
    trial.leader.run()
    assert sum(trial.leader.done.values()) == 50
    assert len(trial.lines) == 50
    assert trial.leader.failed == []
    assert trial.leader.last_undone_ns > trial.leader.begun_ns


def test_a_line_says_all_of_a_fault() -> None:
    trial = Trial(["kill"], 1)
    trial.leader.run()
    (line,) = trial.lines
    assert line == {
        "number": 1,
        "kind": "kill",
        "hosts": line["hosts"],
        "parameters": {"hold_s": 3},
        "begun_ns": 2000,
        "undone_ns": 2500,
        "how": [],
        "links_after_s": 0.5,
        "links_lacking": [],
        "expected_down": line["hosts"],
        "outcome": "done",
    }
    assert trial.said == [f"1/1 kill on {line['hosts'][0]}: links up after 0.5 s"]


def test_two_hosts_are_broken_at_the_same_time() -> None:
    """Both have their orders before either is waited for, and the one that does its work itself is waited for first."""
    trial = Trial(["two"], 5)
    trial.leader.run()
    for line in trial.lines:
        one, other = sorted(line["hosts"])
        at = trial.notes.index(f"{one} do")
        assert trial.notes[at : at + 4] == [f"{one} do", f"{other} do", f"{one} do answered", f"{other} do answered"]
        del trial.notes[: at + 4]


def test_what_is_not_possible_does_not_count_and_is_noted_once() -> None:
    no: Answer = lambda command, _: {"not_possible": {"clock_step": "no clock"}} if command == "check" else {}  # noqa: E731 - one line says it
    trial = Trial(["clock_step", "kill"], 10, dict.fromkeys(("node1", "node2", "node3"), no))
    trial.leader.run()
    assert trial.leader.done == {"kill": 10}
    (noted,) = [line for line in trial.lines if line["outcome"] != "done"]
    assert noted["outcome"] == "not possible here: no clock"
    assert "begun_ns" not in noted
    assert not any("do" in note.split() and "clock" in note for note in trial.notes)


def test_where_nothing_is_possible_it_is_given_up() -> None:
    no: Answer = lambda command, _: {"not_possible": {"clock_step": "no clock"}} if command == "check" else {}  # noqa: E731 - one line says it
    trial = Trial(["clock_step"], 1, dict.fromkeys(("node1", "node2", "node3"), no))
    with pytest.raises(GivenUpError, match="none of these faults is possible here: no clock"):
        trial.leader.run()


def test_a_fault_that_fails_is_told_and_does_not_count() -> None:
    seen: list[str] = []

    def once(command: str, _given: Mapping[str, Any]) -> dict[str, Any]:
        if command == "do" and not seen:
            seen.append(command)
            return {"outcome": "failed: nft: no", "begun_ns": 1, "undone_ns": 2}
        return {}

    trial = Trial(["kill"], 6, {"node1": once})
    trial.leader.run()
    assert trial.leader.done == {"kill": 6}
    assert [failed.rpartition(" failed: ")[2] for failed in trial.leader.failed] == ["nft: no"]


def test_a_host_that_is_lost_for_a_moment_is_asked_again() -> None:
    calls: list[str] = []

    def lost_once(command: str, _given: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(command)
        if calls.count("await") == 2 and command == "await":
            raise LostError("SSH broke")
        return {}

    trial = Trial(["kill"], 3, {"node2": lost_once})
    trial.leader.run()
    assert trial.leader.done == {"kill": 3}
    assert calls.count("await") == 5


def test_links_that_do_not_come_up_are_told_and_it_goes_on() -> None:
    calls: list[str] = []

    def never(command: str, _given: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(command)
        is_late = command == "await" and calls.count("await") > 1
        return {"whole": False, "waited_s": 9.0, "last": {"links_up": 1}} if is_late else {}

    trial = Trial(["kill"], 1, {"node3": never})
    trial.leader.run()
    assert trial.lines[0]["links_lacking"] == ["node3"]
    assert trial.said[-1].endswith("links not up within 9.0 s")


def test_nothing_is_broken_that_is_broken_already() -> None:
    never: Answer = lambda command, _: {"whole": False, "waited_s": 9.0} if command == "await" else {}  # noqa: E731 - one line says it
    trial = Trial(["kill"], 1, {"node3": never})
    with pytest.raises(GivenUpError, match="before the first fault, not all links are up: node3"):
        trial.leader.run()
    assert trial.lines == []


def test_a_host_that_comes_back_from_a_reboot_is_another_start_of_it() -> None:
    trial = Trial(["reboot"], 1)
    trial.leader.run()
    (line,) = trial.lines
    (host,) = line["hosts"]
    mine = [note for note in trial.notes if note.startswith(host) and not note.endswith("answered")]
    assert [note.split()[1] for note in mine] == [
        *("check", "await", "await_observers"),
        *("boot", "do", "reset", "boot", "await"),
    ]
    assert line["undone_ns"] > line["begun_ns"]
    assert line["expected_down"] == [host]


def test_a_host_that_does_not_come_back_ends_the_run() -> None:
    same: Answer = lambda command, _: {"boot": 1} if command == "boot" else {}  # noqa: E731 - one line says it
    trial = Trial(["reboot"], 1, dict.fromkeys(("node1", "node2", "node3"), same))
    with pytest.raises(GivenUpError, match="has not come back within"):
        trial.leader.run()


def test_the_controller_restarts_a_host_that_would_not_do_it() -> None:
    command = [sys.executable, "-c", "pass"]
    trial = Trial(["reboot"], 1, restart_commands=dict.fromkeys(("node1", "node2", "node3"), command))
    trial.leader.run()
    assert not any(note.endswith(" do") for note in trial.notes)
    wrong = [sys.executable, "-c", "import sys; sys.exit('no such container')"]
    trial = Trial(["reboot"], 1, restart_commands=dict.fromkeys(("node1", "node2", "node3"), wrong))
    with pytest.raises(GivenUpError, match="ended with 1: no such container"):
        trial.leader.run()


def test_it_stops_when_ansible_is_gone() -> None:
    trial = Trial(["kill"], 100, must_stop=lambda: True)
    trial.leader.settings = Settings(5, 100, hold_s=3, interval_s=1, links_within_s=9)
    with pytest.raises(GivenUpError, match="ansible-playbook is gone"):
        trial.leader.run()
    assert len(trial.lines) == 1
