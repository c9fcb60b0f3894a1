"""Hosts, versions, configuration and raw data: what the results say of where they are from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keydb_report.cited import Sentence, join, plain_number, say
from keydb_report.inputs import KINDS, Document, Inputs
from keydb_report.pictures.picture import Cell

_HOST_FIELDS = ("board", "processors", "memory_mb", "kernel", "system", "address")
_CAPTURED = ("bytes_per_write", "segments_per_write", "retransmissions", "verdict")
_RUN_FIELDS = ("inventory", "taken_at", "time", "seconds", "plan", "seed", "engine", "engine_version")


@dataclass(frozen=True)
class Table:
    """With a caption; the first column is of names."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Source:
    """A result: its address as seen from the page, and why it is not there, where it is not."""

    label: str
    address: str
    lacking: Sentence | None


@dataclass(frozen=True)
class Facts:
    """Tables, and the raw data."""

    tables: Sequence[Table]
    sources: Sequence[Source]
    files: Sequence[tuple[str, str]]


def facts(inputs: Inputs, directory: Path) -> Facts:
    """``directory`` is where the page is going to be."""
    bench, hosts = inputs.get("bench"), inputs.get("hosts")
    tables = [
        Table("Hosts of the benchmark", ("host", *_HOST_FIELDS, "container"), list(_bench_hosts(bench))),
        Table("Hosts that were checked", ("host", "board", "profile"), list(_checked_hosts(hosts))),
        Table("Engines and their versions", ("engine", "version"), list(_engines(inputs))),
        Table("The model of the scale", ("what", "value"), list(_model(bench))),
        Table("What crossed the cluster network", ("what", "value"), list(_captured(inputs.get("capture")))),
        Table("Runs and their settings", ("of", "setting", "value"), list(_settings(inputs))),
    ]
    sources = [
        Source(f"results/{kind.path}", _address(inputs.directory / kind.path, directory), why.why if why else None)
        for name, kind in KINDS.items()
        for why in [inputs.lacking.get(name)]
    ]
    run = inputs.faults_run()
    found = sorted(run.iterdir()) if run else []
    files = [
        (f"results/faults/{run.name}/{file.name}", _address(file, directory))
        for file in found
        if run and file.is_file()
    ]
    return Facts([table for table in tables if table.rows], sources, files)


def _address(file: Path, directory: Path) -> str:
    return Path(os.path.relpath(file, directory)).as_posix()


def _value(document: Document, *path: str | int) -> Cell:
    found = document.find(*path)
    if plain_number(found):
        return document.number(*path)
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, list) and found:
        return join([say("{each}", each=_value(document, *path, place)) for place in range(len(found))], ", ")
    return document.word(*path) if isinstance(found, str) and found else "-"


def _bench_hosts(bench: Document | None) -> Iterator[list[Cell]]:
    for path, name, host in bench.members("hosts") if bench else ():
        if bench:
            yield [
                name,
                *(_value(bench, *path, each) for each in _HOST_FIELDS),
                "yes" if host.get("in_container") else "no",
            ]


def _checked_hosts(hosts: Document | None) -> Iterator[list[Cell]]:
    for path, _ in hosts.elements("hosts") if hosts else ():
        if hosts:
            model = _value(hosts, *path, "facts", "model", "value")
            yield [_value(hosts, *path, "name"), model, _value(hosts, *path, "profile")]


def _engines(inputs: Inputs) -> Iterator[list[Cell]]:
    bench, verify = inputs.get("bench"), inputs.get("verify")
    for path, name, _ in bench.members("engines") if bench else ():
        if bench:
            title = _value(bench, *path, "title")
            yield [name if title == "-" else title, _value(bench, *path, "version")]
    for path, _ in verify.elements("nodes") if verify else ():
        if verify:
            yield [_on(verify, path), _value(verify, *path, "version")]


def _on(verify: Document, path: tuple[str | int, ...]) -> Cell:
    engine, name = (_value(verify, *path, each) for each in ("engine", "name"))
    return say("{engine} on {name}", engine=engine, name=name)


def _model(bench: Document | None) -> Iterator[list[Cell]]:
    for path, name, found in bench.items("scale", "model") if bench else ():
        if bench and isinstance(found, dict):
            yield from ([each, _value(bench, *inner)] for inner, each, _ in bench.items(*path))
        elif bench and not isinstance(found, list):
            yield [name.replace("_", " "), _value(bench, *path)]


def _captured(capture: Document | None) -> Iterator[list[Cell]]:
    for name in _CAPTURED if capture else ():
        if capture:
            yield [name.replace("_", " "), _value(capture, name)]
    for path, _ in capture.elements("tls") if capture else ():
        if capture:
            version, cipher = (_value(capture, *path, each) for each in ("version", "cipher"))
            yield [
                say("{version}, {cipher}: connections", version=version, cipher=cipher),
                _value(capture, *path, "connections"),
            ]


def _settings(inputs: Inputs) -> Iterator[list[Cell]]:
    for name in KINDS:
        document = inputs.get(name)
        for field in _RUN_FIELDS if document else ():
            value = _value(document, field) if document else "-"
            if value != "-":
                yield [name, field.replace("_", " "), value]
    bench = inputs.get("bench")
    for path, name, found in bench.items("settings") if bench else ():
        if bench and not isinstance(found, dict):
            yield ["bench", name.replace("_", " "), _value(bench, *path)]
