"""What all captures of a run add up to, and whether nothing but TLS was spoken."""

from __future__ import annotations

import re
import ssl
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keydb_capture import resp
from keydb_capture.connections import Connection, Speech, Spoken, connections, name_of
from keydb_capture.packets import Hello, Segment, read
from keydb_capture.request import Captured, Run
from keydb_capture.tally import Tally

_VERSIONS = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
# The identifier that OpenSSL gives a cipher suite ends in the number that the protocol has for it.
_CIPHERS = {int(each["id"]) & 0xFFFF: each["name"] for each in ssl.create_default_context().get_ciphers()}
_FORBIDDEN = (Speech.RESP, Speech.MARKER)
_CLEAR = (*_FORBIDDEN, Speech.HTTP, Speech.CLEAR)
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
# What is left in tcpdump's buffer when the file may not grow any more.
_ALMOST = 256 * 1024
_ENDED_EARLY_NS = 3_000_000_000


@dataclass
class Clear:
    """What was spoken in the clear at one port of one host. ``is_inside``: within the cluster network."""

    is_inside: bool = False
    size: int = 0
    peers: set[str] = field(default_factory=set)
    seen_by: set[str] = field(default_factory=set)
    sample: str = ""


@dataclass
class Findings:
    """Put together from one capture after the other. ``is_whole``: they last as long as what was done meanwhile."""

    run: Run
    tally: Tally
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    plaintext: list[dict[str, Any]] = field(default_factory=list)
    clear: dict[tuple[str, int, Speech], Clear] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    is_whole: bool = True


def judge(directory: Path) -> dict[str, Any]:
    """The result, as results/capture/latest.json has it. Raises CaptureError, OSError, ValueError or KeyError."""
    run = Run.read(directory)
    findings = Findings(run, Tally(run))
    for name, captured in run.captured.items():
        _take(findings, name, captured, directory / captured.pcap)
    _weigh(findings)
    # A pair of nodes is seen where there is a capture at one of them.
    unseen = [name for name in run.addresses if name not in run.captured]
    if len(unseen) > 1:
        findings.is_whole = False
        findings.marks.append(f"what {', '.join(unseen)} said to each other was not seen, so nothing is said per write")
    tally = findings.tally
    holds = not findings.problems
    return {
        "schema": 1,
        "taken_at": run.taken_at,
        "seconds": run.seconds,
        "nodes": findings.nodes,
        "not_captured": [*run.left_out, *(f"{name}'s interface" for name in unseen)],
        "pairs": [{"from": pair[0], "to": pair[1], **each.as_json()} for pair, each in sorted(tally.pairs.items())],
        "writes": tally.writes,
        "bytes_per_write": tally.per_write(tally.size_in_window) if findings.is_whole else None,
        "segments_per_write": tally.per_write(tally.segments_in_window) if findings.is_whole else None,
        "retransmissions": tally.retransmissions,
        "tls": [_tls(hello, count) for hello, count in tally.handshakes().most_common()],
        "plaintext": findings.plaintext,
        "exempt": _exempt(findings),
        "marks": findings.marks,
        "problems": findings.problems,
        "verdict": "holds" if holds else "does not hold",
    }


def _take(findings: Findings, name: str, captured: Captured, pcap: Path) -> None:
    run, seen = findings.run, _Seen()
    found = connections(seen.through(findings.tally, name, captured, read(pcap, [run.port])))
    markers = [each.marker for each in run.captured.values() if each.marker]
    speech = [(each, each.spoken(markers)) for each in found]
    # One that ends while this begins has nothing to say any more.
    speech = [(each, spoken) for each, spoken in speech if spoken.speech is not Speech.NOTHING]
    own = [each for each, _ in speech if run.port in (each.server.port, each.client.port)]
    _take_clear(findings, name, speech)
    unknown = sum(spoken.speech is Speech.UNKNOWN for _, spoken in speech)
    if unknown:
        findings.marks.append(f"{name}: {unknown} connections said too little to tell whether it is TLS")
    is_tls = [each for each, spoken in speech if spoken.speech is Speech.TLS]
    dropped = sum(map(int, _DROPPED.findall(captured.said)))
    findings.nodes[name] = {
        "address": captured.address,
        "interface": captured.interface,
        "segments": seen.segments,
        "bytes": seen.size,
        "dropped": dropped,
        "connections": len(speech),
        "connections_tls": len(is_tls),
        "connections_engine": len(own),
        "connections_from_before": sum(not each.is_seen_from_start for each in own),
        "writes": captured.writes_seen,
    }
    if dropped:
        findings.marks.append(f"{name}: {dropped} packets were dropped; nobody knows what was in them")
    if seen.last_ns < captured.ended_ns - _ENDED_EARLY_NS:
        findings.is_whole = False
        missed_s = (captured.ended_ns - seen.last_ns) / 1e9
        findings.marks.append(f"{name}: it ended {missed_s:.0f} s before the writes did, so nothing is said per write")
    if pcap.stat().st_size > run.largest_bytes - _ALMOST:
        findings.marks.append(f"{name}: the capture ended early, at {run.largest_bytes // 10**6} MB")
    if not any(each in is_tls for each in own):
        findings.problems.append(f"{name}: no TLS at port {run.port} was captured, so nothing is shown")
    # Whatever tshark makes of it, and whatever else is in the file.
    if any(marker in pcap.read_bytes() for marker in markers):
        findings.problems.append(f"{name}: a value that was written meanwhile is readable in {pcap.name}")
    findings.problems += [f"{name}: {problem}" for problem in captured.problems]


def _take_clear(findings: Findings, name: str, speech: Iterable[tuple[Connection, Spoken]]) -> None:
    """What was in the clear in one capture."""
    run, sizes = findings.run, Counter[tuple[str, int, Speech]]()
    for connection, spoken in speech:
        if spoken.speech in _CLEAR:
            key = (connection.server.host, connection.server.port, spoken.speech)
            sizes[key] += spoken.size
            clear = findings.clear.setdefault(key, Clear())
            clear.is_inside |= run.is_inside(connection.server.host) and run.is_inside(connection.client.host)
            clear.sample = clear.sample or spoken.sample
            clear.peers.add(name_of(connection.client, _names(run)))
            clear.seen_by.add(name)
    for key, size in sizes.items():
        # Both ends see the same bytes.
        findings.clear[key].size = max(findings.clear[key].size, size)


@dataclass
class _Seen:
    segments: int = 0
    size: int = 0
    last_ns: int = 0

    def through(self, tally: Tally, name: str, captured: Captured, segments: Iterable[Segment]) -> Iterable[Segment]:
        """The same segments, each of which is counted on its way."""
        for segment in segments:
            self.segments += 1
            self.size += segment.size
            self.last_ns = segment.at_ns
            tally.add(name, captured, segment)
            yield segment


def _names(run: Run) -> dict[str, str]:
    return {address: name for name, address in run.addresses.items()}


def _is_exempt(run: Run, host: str, port: int, what: Speech) -> bool:
    return port in run.exempt and host in run.addresses.values() and what is Speech.HTTP


def _weigh(findings: Findings) -> None:
    """What was in the clear but should not, and whether there was anything to see at all."""
    run = findings.run
    for (host, port, what), clear in sorted(findings.clear.items(), key=lambda item: (item[0][0], item[0][1])):
        if _is_exempt(run, host, port, what):
            continue
        if what not in _FORBIDDEN and not clear.is_inside:
            findings.marks.append(f"{run.name_of(host)}:{port}: {what.value}, but with somebody outside")
            continue
        findings.plaintext.append(
            {
                "host": run.name_of(host),
                "port": port,
                "what": what.value,
                "peers": sorted(clear.peers),
                "bytes": clear.size,
                "sample": clear.sample,
                "seen_by": sorted(clear.seen_by),
            }
        )
    for name, captured in run.captured.items():
        for listener in captured.listeners:
            if resp.is_resp(listener.answer):
                findings.plaintext.append(
                    {
                        "host": name,
                        "port": listener.port,
                        "what": f"{listener.program or 'somebody'} answers a PING in the clear",
                        "peers": [],
                        "bytes": len(listener.answer),
                        "sample": resp.shown(listener.answer),
                        "seen_by": [name],
                    }
                )
    findings.problems += [
        f"{each['host']}:{each['port']}: {each['what']}, {each['bytes']} bytes: {each['sample']}"
        for each in findings.plaintext
    ]
    if not findings.tally.hellos:
        findings.problems.append("no handshake was seen, so neither TLS version nor cipher is known")
    if not any(captured.written for captured in run.captured.values()):
        findings.problems.append("nothing was written meanwhile, so nothing could have been read")


def _tls(hello: Hello, count: int) -> dict[str, Any]:
    return {
        "version": _VERSIONS.get(hello.version, hex(hello.version)),
        "cipher": _CIPHERS.get(hello.cipher, hex(hello.cipher)),
        "connections": count,
    }


def _exempt(findings: Findings) -> list[dict[str, Any]]:
    run = findings.run
    return [
        {"host": run.name_of(host), "port": port, "what": run.exempt[port], "connections": len(clear.peers)}
        for (host, port, what), clear in sorted(findings.clear.items(), key=lambda item: (item[0][0], item[0][1]))
        if _is_exempt(run, host, port, what)
    ]
