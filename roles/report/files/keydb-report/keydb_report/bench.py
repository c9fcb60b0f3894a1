"""What the benchmark's result says, by conditions rather than by place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keydb_report.cited import Cited, NotMeasuredError, Sentence, join, say
from keydb_report.figure import Figure
from keydb_report.inputs import Document

Path = tuple[str | int, ...]

# What has to be equal for two throughputs to be compared, but for what is compared.
CONDITIONS = (
    "tls",
    "authentication",
    "persistence",
    "scheduling",
    "operation",
    "size",
    "pipeline",
    "connections",
    "server",
    "client",
)
LISTENERS = {"sync": "synchronous", "async": "asynchronous"}


@dataclass(frozen=True)
class Row:
    """One throughput, or one measurement of the tail, and where it is."""

    path: Path
    about: Mapping[str, Any]

    def key(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        """Its conditions of these names."""
        return tuple(self.about.get(name) for name in names)


# The figure without which a row says nothing.
_DECIDES = {"throughput": "rate", "tail": "p99"}


def rows(bench: Document, part: str, **wanted: Any) -> list[Row]:
    """All rows of a part that are so, and have a figure. Raises NotMeasuredError where the part is not there."""
    if bench.find(part) is None:
        raise why_not(bench, part)
    return [
        Row(path, about)
        for path, about in bench.elements(part)
        if all(about.get(name) == value for name, value in wanted.items())
        and bench.figure_if_any(*path, _DECIDES[part])
    ]


def why_not(bench: Document, part: str) -> NotMeasuredError:
    """Why a part is not there, in the words of the benchmark where it has any."""
    for path, each in bench.elements("not_measured"):
        if each.get("what") == part and each.get("why"):
            return NotMeasuredError("{what}: {why}", what=bench.word(*path, "what"), why=bench.word(*path, "why"))
    return NotMeasuredError(f"{bench.label} has no {part}")


def title(bench: Document, engine: str) -> Cited | str:
    """An engine as people call it."""
    found = bench.find("engines", engine, "title")
    return bench.word("engines", engine, "title") if isinstance(found, str) and found else engine


def work_text(bench: Document, row: Row) -> Sentence:
    """What was asked of an engine: ``SET of 64 bytes, pipeline 1, 50 connections``."""
    numbers = {name: bench.number(*row.path, name) for name in ("size", "pipeline", "connections")}
    words = "{operation} of {size} bytes, pipeline {pipeline}, {connections} connections"
    return say(words, operation=str(row.about.get("operation", "")).upper(), **numbers)


def conditions_text(bench: Document, row: Row) -> Sentence:
    """The same, and how: with TLS or without, and what else is not as usual."""
    words = ["TLS" if row.about.get("tls") else "no TLS"]
    words += [] if row.about.get("authentication") else ["no authentication"]
    words += [] if row.about.get("persistence") else ["no persistence"]
    words += ["real-time"] if row.about.get("scheduling") == "fifo" else []
    return say(f"{{work}}, {', '.join(words)}", work=work_text(bench, row))


def knee(bench: Document, listener: str) -> Figure:
    """The highest rate at which a listener was still in time, in events/s."""
    if bench.find("listeners") is None:
        raise why_not(bench, "listeners")
    if bench.find("listeners", listener) is None:
        raise NotMeasuredError(f"the {LISTENERS[listener]} listener was not measured")
    return bench.figure("listeners", listener, "knee")


def limited_by_generator(bench: Document, listener: str) -> bool:
    """Whether what offered the events gave out before the listener did: its knee is then at least so high."""
    return bool(bench.find("listeners", listener, "limited_by") == "generator")


def marks(bench: Document | None) -> list[Sentence]:
    """What was not as it should be while it was measured; what is the same on several hosts once for all of them."""
    if bench is None or bench.find("conditions", "verdict") != "marked":
        return []
    alike: dict[tuple[str, str], list[Path]] = {}
    for path, each in bench.elements("conditions", "marks"):
        if all(isinstance(each.get(name), str) and each[name] for name in ("host", "condition", "text")):
            alike.setdefault((each["condition"], each["text"]), []).append(path)
    found = [
        say(
            "{hosts}: {condition}: {text}",
            hosts=join([say("{host}", host=bench.word(*path, "host")) for path in paths], ", "),
            **{name: bench.word(*paths[0], name) for name in ("condition", "text")},
        )
        for paths in alike.values()
    ]
    return found or [say("the benchmark marks its conditions and does not say which")]
