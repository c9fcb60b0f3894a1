"""The results that there are, checked for being what this report reads."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keydb_report.cited import Cited, NotMeasuredError, plain_number
from keydb_report.figure import Figure

_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Kind:
    """Where a result is, what makes it, which format of it is read, and what has to be in it, by type."""

    path: str
    made_by: str
    schema: int | None = None
    parts: Mapping[str, type] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    "bench": Kind("bench/latest.json", "bench.yml", 1, {"conditions": dict, "hosts": dict, "engines": dict}),
    "faults": Kind("faults/latest.json", "faults.yml", 1, {"faults": dict, "operations": dict, "problems": list}),
    "network": Kind("network/latest.json", "network_matrix.yml", None, {"pairs": list, "links": dict}),
    "verify": Kind("verify/latest.json", "verify.yml", None, {"nodes": list, "clocks": dict, "problems": list}),
    "hosts": Kind("hosts/latest.json", "check_hosts.yml", None, {"hosts": list}),
    "capture": Kind("capture/latest.json", "capture.yml", 1, {"nodes": dict}),
}


class Document:
    """One result that is there. ``label`` is what its sources begin with."""

    def __init__(self, label: str, data: Any) -> None:
        self.label = label
        self.data = data

    def source(self, *path: str | int) -> str:
        """The source of what is at this path."""
        return f"{self.label}#{pointer(path)}"

    def find(self, *path: str | int) -> Any:
        """What is at this path, None where nothing is."""
        found = self.data
        for step in path:
            if isinstance(found, Mapping):
                found = found.get(str(step))
            elif isinstance(found, Sequence) and not isinstance(found, str) and isinstance(step, int):
                found = found[step] if step < len(found) else None
            else:
                return None
        return found

    def elements(self, *path: str | int) -> list[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        """The paths and contents of all that are objects in a list there; none where there is no list."""
        found = self.find(*path)
        return [
            ((*path, place), each)
            for place, each in enumerate(found if isinstance(found, list) else [])
            if isinstance(each, Mapping)
        ]

    def items(self, *path: str | int) -> list[tuple[tuple[str | int, ...], str, Any]]:
        """The paths, names and contents of an object there; none where there is no object."""
        found = self.find(*path)
        return [((*path, name), name, each) for name, each in (found if isinstance(found, Mapping) else {}).items()]

    def members(self, *path: str | int) -> list[tuple[tuple[str | int, ...], str, Mapping[str, Any]]]:
        """The same of those that are objects themselves."""
        return [each for each in self.items(*path) if isinstance(each[2], Mapping)]

    def number(self, *path: str | int, unit: str = "") -> Cited:
        """Raises NotMeasuredError where no number is there."""
        found = self.find(*path)
        if not plain_number(found):
            raise NotMeasuredError("{place} has no number", place=self.source(*path))
        return Cited(found, (self.source(*path),), unit)

    def word(self, *path: str | int) -> Cited:
        """Raises NotMeasuredError where no text is there."""
        found = self.find(*path)
        if not isinstance(found, str) or not found:
            raise NotMeasuredError("{place} says nothing", place=self.source(*path))
        return Cited(found, (self.source(*path),))

    def words(self, *path: str | int) -> list[Cited]:
        """All texts of a list there; none where there is no list."""
        found = self.find(*path)
        each = enumerate(found) if isinstance(found, list) else ()
        return [self.word(*path, place) for place, text in each if isinstance(text, str) and text]

    def name(self, *path: str | int) -> Cited:
        """The last step of the path itself, where the name of a member is the fact. It has to be there."""
        if self.find(*path) is None:
            raise NotMeasuredError("{place} is not there", place=self.source(*path))
        return Cited(str(path[-1]), (self.source(*path),), how="name")

    def count(self, *path: str | int, unit: str = "") -> Cited:
        """How many there are of what is there. Raises NotMeasuredError."""
        found = self.find(*path)
        if not isinstance(found, (list, dict)):
            raise NotMeasuredError("{place} has nothing to count", place=self.source(*path))
        return Cited(len(found), (self.source(*path),), unit, "count")

    def total(self, *path: str | int, unit: str = "") -> Cited:
        """The sum of the numbers in an object. Raises NotMeasuredError."""
        found = self.find(*path)
        if not isinstance(found, dict) or not all(plain_number(each) for each in found.values()):
            raise NotMeasuredError("{place} has nothing to add up", place=self.source(*path))
        return Cited(sum(found.values()), (self.source(*path),), unit, "sum")

    def figure(self, *path: str | int) -> Figure:
        """Raises NotMeasuredError where no figure is there."""
        return Figure.of(self.find(*path), self.source(*path))

    def figure_if_any(self, *path: str | int) -> Figure | None:
        """None where no figure is there, as where no round measured anything."""
        try:
            return self.figure(*path)
        except NotMeasuredError:
            return None


def pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


class Inputs:
    """All results of one directory."""

    def __init__(self, directory: Path, label: str = "results") -> None:
        self.directory = directory
        self._label = label
        self._documents: dict[str, Document] = {}
        self._reasons: dict[str, NotMeasuredError] = {}
        for name, kind in KINDS.items():
            try:
                self._documents[name] = self._load(directory / kind.path, f"{label}/{kind.path}", kind)
            except NotMeasuredError as why:
                self._reasons[name] = why

    @classmethod
    def of_bench(cls, file: Path, label: str) -> Inputs:
        """With nothing in it but one run of the benchmark."""
        inputs = cls(file.parent / "there-is-no-such-directory", label)
        try:
            inputs._documents["bench"] = inputs._load(file, f"{label}/{KINDS['bench'].path}", KINDS["bench"])
        except NotMeasuredError as why:
            inputs._reasons["bench"] = why
        return inputs

    def document(self, name: str) -> Document:
        """Raises NotMeasuredError with the reason why it is not there."""
        if name in self._documents:
            return self._documents[name]
        raise self._reasons[name]

    def get(self, name: str) -> Document | None:
        """None where it is not there."""
        return self._documents.get(name)

    @property
    def lacking(self) -> dict[str, NotMeasuredError]:
        """What is not there, and why."""
        return {name: why for name, why in self._reasons.items() if name not in self._documents}

    def time(self, name: str) -> dt.datetime | None:
        """When a result was made, as far as it says so."""
        document = self.get(name)
        if document is None:
            return None
        begun_ns = document.find("begun_ns")
        told = document.find("taken_at") or document.find("time")
        try:
            if plain_number(begun_ns):
                return dt.datetime.fromtimestamp(begun_ns / _NS_PER_SECOND, dt.timezone.utc)
            found = dt.datetime.fromisoformat(str(told).replace("Z", "+00:00"))
        except (ValueError, OverflowError, OSError):
            return None
        return found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)

    def faults_run(self) -> Path | None:
        """The directory of the run that the faults' verdict is of: the latest whose own verdict says the same."""
        faults = self.get("faults")
        runs = sorted(self.directory.glob("faults/*/verdict.json"), reverse=True)
        return next((file.parent for file in runs if faults and _read(file) == faults.data), None)

    @staticmethod
    def _load(file: Path, label: str, kind: Kind) -> Document:
        if not file.is_file():
            raise NotMeasuredError(f"there is no {label}, which playbooks/{kind.made_by} makes")
        data = _read(file)
        if not isinstance(data, dict):
            raise NotMeasuredError(f"{label} cannot be read: it is no JSON object")
        schema = data.get("schema")
        if schema != kind.schema and kind.schema is not None:
            raise NotMeasuredError(
                f"{label} has another format than the one that is read here: run playbooks/{kind.made_by} again"
            )
        for part, wanted in kind.parts.items():
            if not isinstance(data.get(part), wanted):
                raise NotMeasuredError(f"{label} has no {part}: run playbooks/{kind.made_by} again")
        return Document(label, data)


def _read(file: Path) -> Any:
    """None for what is no JSON; NaN and the like are none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
