"""One run of faults from the controller: orders to hosts, a line for each fault, and the pauses in between."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from hosts_told import GivenUpError, LostError, Remote
from keydb_faults.cluster import Cluster
from keydb_faults.doing import DONE, not_possible
from keydb_faults.kinds.kind import Kind
from keydb_faults.schedule import Fault, faults

# What a command on a host may take beyond what it was told to take.
_GRACE_S = 60.0
_RETRY_S = 1.0
_PAUSE_S = 0.1
# An old board checks its file system.
_BOOT_WITHIN_S = 300.0
_OBSERVERS_WITHIN_S = 30.0
_ROUNDS_IN_VAIN = 10
_REBOOT = "reboot"


@dataclass(frozen=True)
class Settings:
    """What a run is told. ``restart_commands``: how the controller reboots a host that would not do it by itself."""

    seed: int
    count: int
    hold_s: float
    interval_s: float
    links_within_s: float
    restart_commands: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass
class Leader:
    """``log`` gets a line for each fault, as JSON, ``say`` one for people. ``must_stop`` is asked while it waits."""

    remotes: Mapping[str, Remote]
    cluster: Cluster
    kinds: Sequence[Kind]
    all_kinds: Mapping[str, Kind]
    settings: Settings
    log: TextIO
    say: Callable[[str], None]
    must_stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._impossible: dict[str, dict[str, str]] = {}
        self._noted: set[tuple[str, str]] = set()
        self.done: dict[str, int] = {}
        self.failed: list[str] = []
        self.begun_ns = time.time_ns()
        self.last_undone_ns = self.begun_ns

    def run(self) -> None:
        """Until so many faults were done as were asked for. Raises GivenUpError."""
        told = self._ask(self.remotes, "check", {}, _GRACE_S)
        lacking = self._whole()["links_lacking"]
        if lacking:
            raise GivenUpError(f"before the first fault, not all links are up: {', '.join(lacking)}")
        self._impossible = {host: answer.get("not_possible", {}) for host, answer in told.items()}
        observers = self._ask(self.remotes, "await_observers", {"within_s": _OBSERVERS_WITHIN_S}, _GRACE_S)
        for host, answer in observers.items():
            if answer.get("lacking"):
                self.say(f"{host}: nothing was heard of {', '.join(answer['lacking'])}")
        # What came before is none of this run's.
        self.begun_ns = self.last_undone_ns = time.time_ns()
        in_vain = 0
        for fault in faults(self.settings.seed, self.kinds, self.cluster):
            if sum(self.done.values()) >= self.settings.count:
                return
            why = self._why_not(fault)
            # Each round another host may be drawn, which may be able to.
            in_vain = in_vain + 1 if why else 0
            if in_vain >= _ROUNDS_IN_VAIN * len(self.kinds):
                raise GivenUpError(f"none of these faults is possible here: {why}")
            if why:
                self._note_impossible(fault, why)
            else:
                self._happen(fault)
                self._pause(self.settings.interval_s)

    def _why_not(self, fault: Fault) -> str:
        if fault.nobody:
            return fault.nobody
        reasons = [self._impossible[part.host].get(part.kind, "") for part in fault.parts]
        return next(filter(None, reasons), "")

    def _note_impossible(self, fault: Fault, why: str) -> None:
        if (fault.kind, why) in self._noted:
            return
        self._noted.add((fault.kind, why))
        self._write(fault, {"outcome": not_possible(why)})
        self.say(f"{fault.kind}: not possible here: {why}")

    def _happen(self, fault: Fault) -> None:
        result = self._rebooted(fault) if fault.kind == _REBOOT else self._done(fault)
        waited = self._whole()
        self._write(fault, result | waited)
        number = f"{sum(self.done.values())}/{self.settings.count}"
        how = "".join(f" ({word})" for word in result.get("how", []))
        self.say(f"{number} {fault.kind} on {', '.join(fault.hosts)}{how}: {_ending(result, waited)}")

    def _done(self, fault: Fault) -> dict[str, Any]:
        given = {
            host: {
                "parts": [{"kind": part.kind, "given": part.given} for part in fault.parts_of(host)],
                "hold_s": self.settings.hold_s,
            }
            for host in fault.hosts
        }
        answers = self._each("do", given, self.settings.hold_s + _GRACE_S)
        outcomes = [answer["outcome"] for answer in answers.values() if answer["outcome"] != DONE]
        result: dict[str, Any] = {"outcome": outcomes[0] if outcomes else DONE}
        result["how"] = list(dict.fromkeys(word for answer in answers.values() for word in answer.get("how", [])))
        begun = [answer["begun_ns"] for answer in answers.values() if "begun_ns" in answer]
        if begun:
            result["begun_ns"] = min(begun)
            result["undone_ns"] = max(answer["undone_ns"] for answer in answers.values() if "undone_ns" in answer)
        return result

    def _rebooted(self, fault: Fault) -> dict[str, Any]:
        """By the host itself, or by the controller in its stead. It is over when the host answers again."""
        (part,) = fault.parts
        before = self._ask([part.host], "boot", {}, _GRACE_S)[part.host]
        begun_ns = time.time_ns()
        command = self.settings.restart_commands.get(part.host)
        if command:
            self._restart(part.host, command)
        else:
            order = {"parts": [{"kind": part.kind, "given": part.given}], "hold_s": 0}
            answer: dict[str, Any] = self._each("do", {part.host: order}, _GRACE_S)[part.host]
            if answer["outcome"] != DONE:
                return answer
        deadline = time.monotonic() + _BOOT_WITHIN_S
        while time.monotonic() < deadline:
            if self._boot_of(part.host) not in ({}, before):
                return {"outcome": DONE, "begun_ns": begun_ns, "undone_ns": time.time_ns()}
            self._pause(_RETRY_S)
        raise GivenUpError(f"{part.host} has not come back within {_BOOT_WITHIN_S:g} s after its reboot")

    def _boot_of(self, host: str) -> dict[str, Any]:
        """What tells this start of a host from all others; empty while it does not answer."""
        remote = self.remotes[host]
        try:
            # On the old connection nothing would come any more.
            remote.begin("reset", {}, _GRACE_S)
            remote.finish()
            remote.begin("boot", {}, _GRACE_S)
            return remote.finish()
        except LostError:
            return {}

    def _restart(self, host: str, command: Sequence[str]) -> None:
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_BOOT_WITHIN_S, check=True
            )
        except subprocess.CalledProcessError as error:
            why = " ".join((error.stderr or error.stdout).split())
            raise GivenUpError(f"faults_restart_command of {host} ended with {error.returncode}: {why}") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise GivenUpError(f"faults_restart_command of {host}: {error}") from None

    def _whole(self) -> dict[str, Any]:
        """Wait until all hosts' links are up; returns how long the last one took, and who is still without."""
        answers = self._ask(self.remotes, "await", {"within_s": self.settings.links_within_s}, _GRACE_S)
        lacking = {host: answer.get("last") for host, answer in answers.items() if not answer.get("whole")}
        if lacking:
            self.say(f"without all links: {json.dumps(lacking)}")
        waited_s = max(answer.get("waited_s", self.settings.links_within_s) for answer in answers.values())
        return {"links_after_s": waited_s, "links_lacking": sorted(lacking)}

    def _each(self, command: str, given: Mapping[str, Mapping[str, Any]], within_s: float) -> dict[str, Any]:
        """Orders to some hosts at the same time, and their answers; one that is lost is an outcome, too."""
        # In this order the host of the worker that leads comes first: it is at work only while it is waited for.
        hosts = [host for host in self.remotes if host in given]
        for host in hosts:
            self.remotes[host].begin(command, given[host], within_s)
        answers = {}
        for host in hosts:
            try:
                answers[host] = self.remotes[host].finish()
            except LostError as error:
                answers[host] = {"outcome": f"failed: {host}: {error}"}
        return answers

    def _ask(self, hosts: Iterable[str], command: str, given: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        """The same order to all these hosts, which all have to answer, if need be when they are asked again."""
        within_s += float(given.get("within_s", 0))
        answers: dict[str, Any] = {}
        deadline = time.monotonic() + 2 * within_s
        while True:
            left = [host for host in hosts if host not in answers]
            for host in left:
                self.remotes[host].begin(command, given, within_s)
            why = ""
            for host in left:
                try:
                    answers[host] = self.remotes[host].finish()
                except LostError as error:
                    why = f"{host}: {error}"
            if not why:
                return answers
            if time.monotonic() > deadline:
                raise GivenUpError(why)
            self._pause(_RETRY_S)

    def _write(self, fault: Fault, result: Mapping[str, Any]) -> None:
        """A line for a fault. Times are left out of one that was not possible."""
        outcome = result["outcome"]
        if outcome == DONE:
            self.done[fault.kind] = self.done.get(fault.kind, 0) + 1
        elif outcome.startswith("failed"):
            self.failed.append(f"fault {fault.number} ({fault.kind} on {', '.join(fault.hosts)}) {outcome}")
        self.last_undone_ns = max(self.last_undone_ns, result.get("undone_ns", 0))
        line = {
            "number": fault.number,
            "kind": fault.kind,
            "hosts": fault.hosts,
            "parameters": {"hold_s": self.settings.hold_s, **fault.parameters()},
            **{name: value for name, value in result.items() if name != "outcome"},
            "expected_down": fault.expected_down(self.all_kinds),
            "outcome": outcome,
        }
        self.log.write(json.dumps(line, separators=(",", ":")) + "\n")
        self.log.flush()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.must_stop():
                raise GivenUpError("ansible-playbook is gone")
            time.sleep(_PAUSE_S)


def _ending(result: Mapping[str, Any], waited: Mapping[str, Any]) -> str:
    if result["outcome"] != DONE:
        return str(result["outcome"])
    if waited["links_lacking"]:
        return f"links not up within {waited['links_after_s']:.1f} s"
    return f"links up after {waited['links_after_s']:.1f} s"
