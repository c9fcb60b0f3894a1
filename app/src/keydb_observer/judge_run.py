"""What a run has left in its directory, as far as it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from keydb_observer.history import Operation, Recorded
from keydb_observer.json_lines import read_lines
from keydb_observer.judge_records import Accounts, Fault, Read, RunFacts, Sample, ServiceEvent
from keydb_observer.states import KeyStates

_Content = TypeVar("_Content")
_NOTHING = "there is nothing in it"


@dataclass(frozen=True)
class Run:
    """Mappings are by host. ``lacking`` says what is not there, by the name of its file or directory, and why.

    What is lacking is empty here; of a directory, all of it or the files of some hosts may be.
    """

    facts: RunFacts | None = None
    faults: Sequence[Fault] = ()
    history: Mapping[str, Sequence[Operation]] = field(default_factory=dict)
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    services: Mapping[str, Sequence[ServiceEvent]] = field(default_factory=dict)
    reads: Mapping[str, Sequence[Read]] = field(default_factory=dict)
    accounts: Mapping[str, Accounts] = field(default_factory=dict)
    states: Sequence[KeyStates] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)
    spoiled: Sequence[str] = ()

    def lacks(self, *names: str) -> list[str]:
        """Which of these, directories with all that is in them, is not there, or not for all hosts."""
        return [
            f"{lacking} ({why})"
            for lacking, why in self.lacking.items()
            if any(lacking == name or lacking.startswith(f"{name}/") for name in names)
        ]


def load_run(directory: Path) -> Run:
    """Reads all that is there. What is not, or cannot be read, is said in ``lacking``."""
    return _Loader(directory).load()


class _Loader:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lacking: dict[str, str] = {}
        self._spoiled: list[str] = []

    def load(self) -> Run:
        facts = self._one("run.json", lambda path: msgspec.json.decode(path.read_bytes(), type=RunFacts))
        nodes = _hosts(facts, "keydb")
        return Run(
            facts=facts,
            faults=self._one("faults.jsonl", lambda path: self._lines(path, Fault)) or (),
            history=self._each("history", ".jsonl", nodes, self._history),
            samples=self._each("samples", ".jsonl", nodes, lambda path: self._filled(path, Sample)),
            services=self._each("services", ".jsonl", nodes, lambda path: self._lines(path, ServiceEvent)),
            reads=self._each("reads", ".jsonl", _hosts(facts, "listener"), lambda path: self._lines(path, Read)),
            accounts=self._each(
                "accounts",
                ".json",
                [*_hosts(facts, "listener"), *_hosts(facts, "writer")],
                lambda path: msgspec.json.decode(path.read_bytes(), type=Accounts),
            ),
            states=self._one("states.jsonl", lambda path: self._states(path, nodes)) or (),
            lacking=self._lacking,
            spoiled=self._spoiled,
        )

    def _one(self, name: str, read: Callable[[Path], _Content]) -> _Content | None:
        try:
            return read(self._directory / name)
        except OSError as error:
            self._lacking[name] = error.strerror.lower() if error.strerror else str(error)
        except msgspec.MsgspecError as error:
            self._lacking[name] = f"not understood: {error}"
        return None

    def _each(
        self, name: str, suffix: str, hosts: Sequence[str], read: Callable[[Path], _Content]
    ) -> dict[str, _Content]:
        """Of every host that should have such a file, or else of those that have one."""
        there = {path.stem for path in (self._directory / name).glob(f"*{suffix}")}
        if not there and not hosts:
            self._lacking[name] = "there is none"
        found = {host: self._one(f"{name}/{host}{suffix}", read) for host in sorted(there.union(hosts))}
        return {host: content for host, content in found.items() if content is not None}

    def _lines(self, path: Path, kind: type[_Content]) -> Sequence[_Content]:
        found, broken = read_lines(path, kind)
        # One line may have been cut off by a kill.
        if broken > 1:
            self._spoiled.append(f"{broken} lines of {path.relative_to(self._directory)} cannot be read")
        return found

    def _filled(self, path: Path, kind: type[_Content]) -> Sequence[_Content]:
        """For what would look as if all was well if there were nothing in it."""
        found = self._lines(path, kind)
        if not found:
            raise OSError(_NOTHING)
        return found

    def _states(self, path: Path, nodes: Sequence[str]) -> Sequence[KeyStates]:
        states = self._filled(path, KeyStates)
        told = {node for each in states for node in each.states}
        if missing := [node for node in nodes if node not in told]:
            raise OSError(f"it tells nothing of {', '.join(missing)}")
        return states

    def _history(self, path: Path) -> Sequence[Operation]:
        recorded = Recorded.read(path)
        if recorded.broken > max(recorded.processes, 1):
            self._spoiled.append(f"{recorded.broken} lines of {path.relative_to(self._directory)} cannot be read")
        if not recorded.operations:
            raise OSError(_NOTHING)
        return recorded.operations


def _hosts(facts: RunFacts | None, role: str) -> list[str]:
    return [name for name, host in facts.hosts.items() if host.has(role)] if facts else []
