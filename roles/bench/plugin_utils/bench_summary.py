"""A result as tables, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
_YES = {True: "on", False: "off"}


def summary(result: Result) -> str:
    """The whole page, as Markdown whose tables are aligned so that they read well on a terminal, too."""
    lines = [f"# Benchmark of {result['inventory']}, {result['taken_at']}", ""]
    lines += [f"Plan {result['plan']}, {result['seconds'] / 60:.1f} minutes. Medians over rounds, least to most."]
    conditions = result["conditions"]
    lines += ["", f"Conditions: **{conditions['verdict']}**"]
    lines += [f"- {each['host']}: {each['condition']}: {each['text']}" for each in conditions["marks"]]
    lines += ["", "## Hosts", "", *_hosts(result)]
    for name, title, table in (
        ("throughput", "Throughput of the engines' own tools", _throughput),
        ("tail", "From a write to its event, at a low rate", _tail),
        ("listeners", "Where the listeners fall behind", _listeners),
        ("scale", "Replicated writes", _scale),
    ):
        if result.get(name):
            lines += ["", f"## {title}", "", *table(result)]
    if result["not_measured"]:
        lines += ["", "## Not measured", ""]
        lines += [f"- {each['what']}: {each['why']}" for each in result["not_measured"]]
    return "\n".join(lines) + "\n"


def _hosts(result: Result) -> list[str]:
    rows = [
        [name, each["board"], each["processors"], f"{each['memory_mb']} MB", each["kernel"], each["system"]]
        for name, each in result["hosts"].items()
    ]
    return _table(["host", "board", "processors", "memory", "kernel", "system"], rows)


def _throughput(result: Result) -> list[str]:
    heading = ["engine", "operation", "bytes", "pipeline", "connections", "threads", "TLS", "auth", "persistence"]
    rows = [
        [
            _engine(result, each),
            each["operation"],
            each["size"],
            each["pipeline"],
            each["connections"],
            each["threads"],
            *(_YES[each[name]] for name in ("tls", "authentication", "persistence")),
            _spread(each["rate"]),
            _spread(each["p50"]),
            _spread(each["p99"]),
        ]
        for each in sorted(result["throughput"], key=_likeness)
    ]
    return _table([*heading, "operations/s", "P50, ms", "P99, ms"], rows)


def _likeness(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is alike but for the engine comes together."""
    shape = (row["operation"] != "set", row["size"], row["pipeline"], row["connections"])
    return (*shape, *(not row[name] for name in ("tls", "authentication", "persistence")), row["threads"])


def _tail(result: Result) -> list[str]:
    rows = [
        [
            _engine(result, each),
            each["threads"],
            each["offered"],
            _spread(each["p50"]),
            _spread(each["p99"]),
            _spread(each["processor"]),
        ]
        for each in result["tail"]
    ]
    return _table(["engine", "threads", "writes/s", "P50, ms", "P99, ms", "processors used by the server"], rows)


def _listeners(result: Result) -> list[str]:
    lines = []
    for name, each in result["listeners"].items():
        held = f"{_spread(each['knee'])} events/s" if each["knee"] else "no rate at all"
        is_bound = each["knee"] and each["limited_by"] == "generator"
        bound = " at least: the generator was at its end first" if is_bound else ""
        lines += [f"listener-{name} holds {held}{bound}."]
    heading = ["listener", "offered", "achieved", "P50, ms", "P99, ms", "in time", "missed", "superseded"]
    rows = [
        [
            f"listener-{name}",
            f"{step['offered']:,}",
            *(_spread(step[key]) for key in ("achieved", "p50", "p99", "in_time")),
            f"{step['missed']:,}",
            f"{step['superseded']:,}",
        ]
        for name, each in result["listeners"].items()
        for step in each["steps"]
    ]
    return [*lines, "", *_table(heading, rows)]


def _scale(result: Result) -> list[str]:
    scale = result["scale"]
    rows = [
        [
            each["nodes"],
            each["writers"],
            *(_spread(each[key]) for key in ("writes", "last_node", "bytes_per_write")),
            ", ".join(f"{figure['median']:.2f}" for figure in each["processor"].values() if figure),
        ]
        for each in scale["points"]
    ]
    heading = ["nodes", "written to", "writes/s", "until the last node, ms", "bytes per write", "processors used"]
    lines = _table(heading, rows)
    if "model" in scale:
        model = scale["model"]
        values = ", ".join(f"{name} = {value:.3g}" for name, value in model["coefficients"].items())
        beyond = ", ".join(
            f"{each['nodes']} nodes ({each['writers']}) {each['writes']:,.0f}/s" for each in model["extrapolated"]
        )
        lines += ["", f"Model: {model['form']}; {values}; residual {model['residual']:.1%}."]
        lines += [f"Extrapolated, not measured, beyond {model['measured_up_to']} nodes: {beyond or 'nothing'}."]
    return lines


def _engine(result: Result, row: Mapping[str, Any]) -> str:
    engine = result["engines"].get(row["engine"], {"title": row["engine"], "version": ""})
    return f"{engine['title']} {engine['version']}{', real-time' if row['scheduling'] == 'fifo' else ''}".strip()


def _spread(figure: Mapping[str, Any] | None) -> str:
    """The median, and the least and the most if they differ from it."""
    if not figure:
        return "-"
    median, low, high = (_number(figure[name]) for name in ("median", "low", "high"))
    return median if low == high else f"{median} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - digits that can be read


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [[str(cell) for cell in row] for row in [heading, *rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heading))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
