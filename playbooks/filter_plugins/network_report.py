"""Filters of network_matrix.yml: what the measured pairs add up to, why a pair is slow, and the table that shows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

# Percent of one core that is as good as all of it: iperf3 sends from one thread.
_BUSY_CPU = 90
_MANY_RETRANSMITS = 100
_NOTHING: Mapping[str, Any] = {}


def _link_causes(node: str, proof: Mapping[str, Any], least_mbits: float, *, sends: bool) -> list[str]:
    """What about the link at one end of a pair would make the pair slow."""
    link = proof.get("link") or _NOTHING
    end = f"{link.get('interface', 'the interface')} of {node}"
    causes = []
    if link.get("speed") and link["speed"] < least_mbits:
        causes.append(f"{end} is negotiated at {link['speed']} Mb/s: the cable, its plugs, or the port of the switch")
    if link.get("duplex") == "half":
        causes.append(f"{end} is half duplex")
    grown = proof.get("grown") or _NOTHING
    if grown:
        counted = ", ".join(f"{name} +{count}" for name, count in grown.items())
        causes.append(f"{end} counts errors ({counted}): the cable or its plugs")
    if sends and link.get("shaped") and link["shaped"] < least_mbits:
        causes.append(f"{end} is shaped: it sends no more than {link['shaped']:g} Mbit/s (tc qdisc)")
    return causes


def likely_causes(
    pair: Mapping[str, Any], source: Mapping[str, Any], target: Mapping[str, Any], least_mbits: float
) -> list[str]:
    """Why a pair is below what it should reach, the likeliest first; one entry "unknown" if nothing tells.

    Args:
        pair: What was measured.
        source: The proof of the sender's link.
        target: The proof of the receiver's link.
        least_mbits: Mbit/s that a link must be negotiated at.
    """
    causes = _link_causes(pair["source"], source, least_mbits, sends=True)
    causes += _link_causes(pair["target"], target, least_mbits, sends=False)
    mtus = [(proof.get("link") or _NOTHING).get("mtu") for proof in (source, target)]
    if None not in mtus and mtus[0] != mtus[1]:
        causes.append(f"MTU {mtus[0]} on {pair['source']}, {mtus[1]} on {pair['target']}")
    elif not pair.get("large_packets", True) and (pair.get("round_trip") or _NOTHING).get("answered"):
        causes.append("packets of the whole MTU do not get through: something between allows less")
    measured = pair.get("throughput") or _NOTHING
    for node, key in ((pair["source"], "sender_cpu"), (pair["target"], "receiver_cpu")):
        if (measured.get(key) or 0) >= _BUSY_CPU:
            causes.append(f"the processor of {node} was busy with it ({measured[key]:.0f} % of a core)")
    if (measured.get("host_cpu") or 0) >= _BUSY_CPU:
        causes.append(f"{pair['source']} was busy, with other things too ({measured['host_cpu']:.0f} % of all cores)")
    if not causes and (measured.get("retransmits") or 0) >= _MANY_RETRANSMITS:
        causes.append(f"packets are lost on the way ({measured['retransmits']} sent again): the switch or a cable")
    return causes or ["unknown: nothing on either host tells; try another port of the switch"]


def _judged(pair: Mapping[str, Any], proofs: Mapping[str, Mapping[str, Any]], least_mbits: float) -> dict[str, Any]:
    keys = ("source", "target", "round_trip", "large_packets", "throughput")
    judged = {key: pair[key] for key in keys if key in pair}
    mbits = (pair.get("throughput") or _NOTHING).get("mbits")
    if mbits is None or mbits < least_mbits:
        judged["causes"] = likely_causes(pair, proofs[pair["source"]], proofs[pair["target"]], least_mbits)
    return judged


def _sentence(pair: Mapping[str, Any], least_mbits: float) -> str:
    measured = pair.get("throughput") or _NOTHING
    way = f"{pair['source']} to {pair['target']}"
    if measured.get("mbits") is None:
        why = " ".join(str(measured.get("error") or "it could not be reached").split())
        return f"{way}: not measured ({why}); likely cause: {pair['causes'][0]}"
    return f"{way}: {measured['mbits']:.0f} Mbit/s, not {least_mbits}; likely cause: {pair['causes'][0]}"


def network_report(
    pairs: Sequence[Mapping[str, Any]], nodes: Sequence[str], hostvars: Mapping[str, Any], least_mbits: float
) -> dict[str, Any]:
    """The report: ``pairs`` as measured, with causes where one is too slow, and ``problems`` as sentences.

    A node that could not be asked has that as its problem; a link that says itself what is wrong, too.
    """
    facts = {name: hostvars[name] for name in nodes}
    proofs = {name: facts[name].get("cluster_network_proof") or {} for name in nodes}
    judged = [_judged(pair, proofs, least_mbits) for pair in pairs]
    problems = [_sentence(pair, least_mbits) for pair in judged if "causes" in pair]
    for name, proof in proofs.items():
        if "problems" in proof:
            problems += [f"{name}: {problem}" for problem in proof["problems"]]
        else:
            why = " ".join(str(proof.get("msg", "it could not be reached")).split())
            problems.append(f"{name}: not measured: {why}")
    if not pairs:
        problems.append("there is no pair to measure: it takes two nodes")
    return {
        "time": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "passed": not problems,
        "least_mbits": least_mbits,
        "links": {name: proof.get("link") for name, proof in proofs.items()},
        "said": {name: proof.get("said", "unknown") for name, proof in proofs.items()},
        "pairs": judged,
        "problems": problems,
    }


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def network_matrix(report: Mapping[str, Any]) -> str:
    """The report as two tables, from row to column, then the links and the problems, a line each."""
    names = list(report["links"])
    cells = {(pair["source"], pair["target"]): pair for pair in report["pairs"]}

    def mbits(pair: Mapping[str, Any]) -> str:
        found = (pair.get("throughput") or _NOTHING).get("mbits")
        return "?" if found is None else f"{found:.0f}{' <' if 'causes' in pair else ''}"

    def round_trip(pair: Mapping[str, Any]) -> str:
        found = pair.get("round_trip") or _NOTHING
        return f"{found['median_ms']:.2f} / {found['worst_ms']:.2f}" if found.get("answered") else "?"

    lines = []
    for title, cell in (("Mbit/s", mbits), ("round trip in ms, median / worst", round_trip)):
        rows = [["FROM \\ TO", *names]]
        for source in names:
            row = [cell(cells.get((source, target), {})) if source != target else "-" for target in names]
            rows.append([source, *row])
        lines += [f"{title}:", *_table(rows), ""]
    lines += [f"{name}  {said}" for name, said in report["said"].items()]
    verdict = (
        f"Every pair reaches {report['least_mbits']} Mbit/s."
        if report["passed"]
        else f"{len(report['problems'])} problem(s):"
    )
    return "\n".join([*lines, verdict, *report["problems"]])


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"network_report": network_report, "network_matrix": network_matrix}
