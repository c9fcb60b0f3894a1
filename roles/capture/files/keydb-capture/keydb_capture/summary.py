"""The result as a short table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_Row = Sequence[str]


def table(result: Mapping[str, Any]) -> str:
    """What was measured, and then what does not hold."""
    lines = [*_aligned(list(_pairs(result))), "", *_figures(result), ""]
    lines += [f"note: {mark}" for mark in result["marks"]]
    lines += [f"problem: {problem}" for problem in result["problems"]]
    what = "only TLS was spoken, and nothing of what was written could be read"
    said = f"It holds: {what}." if result["verdict"] == "holds" else "It does not hold."
    return "\n".join([*lines, said])


def _pairs(result: Mapping[str, Any]) -> Iterator[_Row]:
    yield "FROM", "TO", "BYTES", "SEGMENTS", "SENT AGAIN", "ACK RTT", "CONNECT RTT"
    for pair in result["pairs"]:
        counts = (str(pair[name]) for name in ("bytes", "segments", "retransmissions"))
        yield pair["from"], pair["to"], *counts, _rtt(pair["ack_rtt"]), _rtt(pair["initial_rtt"])


def _rtt(found: Mapping[str, Any] | None) -> str:
    return f"{found['median_ms']:.3f} ms" if found else "-"


def _figures(result: Mapping[str, Any]) -> Iterator[str]:
    if result["bytes_per_write"] is not None:
        yield (
            f"{result['bytes_per_write']:.0f} bytes and {result['segments_per_write']:.1f} segments for each of "
            f"{result['writes']:.0f} writes, all that the engine's port carried meanwhile included"
        )
    for each in result["tls"]:
        yield f"{each['version']}, {each['cipher']}: {each['connections']} handshakes seen"
    before = sum(node["connections_from_before"] for node in result["nodes"].values())
    if before:
        yield f"{before} connections are from before: they are TLS, of a version and a cipher that no longer show"
    for each in result["exempt"]:
        yield f"{each['host']}:{each['port']} is exempt: {each['what']}, {each['connections']} connections"
    if result["not_captured"]:
        yield f"not captured: {', '.join(result['not_captured'])}"


def _aligned(rows: Sequence[_Row]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    names = 2
    return [
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
