"""Which node had which fault when, from the run's own list of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keydb_report.cited import Cited, NotMeasuredError, plain_number
from keydb_report.inputs import Document, Inputs
from keydb_report.pictures.picture import Cell, Drawn
from keydb_report.svg import canvas, fill

_NS_PER_SECOND = 1_000_000_000
_DONE = "done"
# What is over at once is to be seen all the same, as a share of the run.
_NARROWEST = 0.006


def draw(inputs: Inputs) -> Drawn:
    """A bar per fault and host, named where it begins."""
    faults = inputs.document("faults")
    directory = inputs.faults_run()
    if directory is None:
        raise NotMeasuredError(f"the run that {faults.label} is of is not there any more")
    begun_ns = faults.number("begun_ns")
    log = Document(f"results/faults/{directory.name}/faults.jsonl", _lines(directory / "faults.jsonl"))
    happened = [
        (path, each)
        for path, each in log.elements()
        if each.get("outcome", _DONE) == _DONE
        and plain_number(each.get("begun_ns"))
        and plain_number(each.get("undone_ns"))
    ]
    if not happened:
        raise NotMeasuredError(f"{log.label} has no fault that happened")
    hosts = sorted({host for _, each in happened for host in each.get("hosts", [])})
    kinds = sorted({str(each.get("kind")) for _, each in happened})
    whole_s = max(_since(each["undone_ns"], begun_ns) for _, each in happened)
    table: list[list[Cell]] = []
    with canvas("faults", height=1.2 + 0.5 * len(hosts) + 0.16 * len(kinds)) as drawing:
        panel = drawing.panels[0]
        for path, each in happened:
            begun, undone = (_cited(log, path, name, begun_ns) for name in ("begun_ns", "undone_ns"))
            number, kind = log.number(*path, "number"), log.word(*path, "kind")
            width = max(float(undone.value) - float(begun.value), whole_s * _NARROWEST)
            for host in each.get("hosts", []):
                y, left = hosts.index(host), float(begun.value)
                (patch,) = panel.barh(y, width, left=left, height=0.5, **fill(kinds.index(kind.text)))
                patch.set_gid(drawing.name(begun, f"{kind.text} on {host}, begun"))
                drawing.note(panel, left, y - 0.28, number, kind.text, fontsize=7.5, va="bottom")
            table.append([number, kind, ", ".join(each.get("hosts", [])), begun, undone])
        for place, words in enumerate(kinds):
            panel.barh(0, 0, label=words.replace("_", " "), **fill(place))
        panel.set_yticks(range(len(hosts)), hosts)
        panel.set_ylim(len(hosts) - 0.4, -0.6)
        panel.set_xlim(0, whole_s * 1.02)
        panel.set_xlabel("seconds since the run began")
        drawing.legend(columns=3)
        about = (
            "A bar, and the number of the fault, on the line of each node that had it, for as long as it was in force."
        )
        svg = drawing.render("The faults over time", about)
    return Drawn(svg, about, ("number", "fault", "on", "begun, s", "undone, s"), table)


def _cited(log: Document, path: tuple[str | int, ...], name: str, begun_ns: Cited) -> Cited:
    found = log.number(*path, name)
    return Cited(_since(found.value, begun_ns), found.sources + begun_ns.sources, "s", "since")


def _since(at_ns: Any, begun_ns: Cited) -> float:
    return (int(at_ns) - int(begun_ns.value)) / _NS_PER_SECOND


def _lines(file: Path) -> list[Mapping[str, Any]]:
    """A line that cannot be read keeps its place, for places are sources."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [_line(line) for line in lines]


def _line(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
