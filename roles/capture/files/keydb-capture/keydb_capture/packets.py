"""The TCP segments of a capture file, as tshark reads them, with its analysis of TCP and of TLS handshakes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIELDS = (
    "frame.time_epoch",
    "frame.len",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "tcp.stream",
    "tcp.seq_raw",
    "tcp.flags.syn",
    "tcp.flags.ack",
    "tcp.analysis.retransmission",
    "tcp.analysis.ack_rtt",
    "tcp.analysis.initial_rtt",
    "tls.handshake.type",
    "tls.handshake.version",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.ciphersuite",
    "tcp.payload",
)
_SERVER_HELLO = "2"
# As this version of tshark says it, and as later ones do.
_TRUE = ("1", "True")
_NS = 1_000_000_000


class CaptureError(Exception):
    """A capture cannot be read, for the reason in the text."""


@dataclass(frozen=True)
class End:
    """One end of a connection."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Hello:
    """What a server has chosen in a TLS handshake, as numbers of the protocol."""

    version: int
    cipher: int


@dataclass(frozen=True)
class Segment:
    """One segment. ``at_ns`` is Unix time of the host that captured it, ``size`` the frame's bytes on the wire.

    ``sequence`` is that of its first byte, or of its SYN. ``ack_rtt`` and ``initial_rtt`` are in seconds; where tshark
    does not know one it is None.
    """

    at_ns: int
    size: int
    source: End
    target: End
    stream: int
    sequence: int
    is_syn: bool
    is_ack: bool
    is_retransmission: bool
    ack_rtt: float | None
    initial_rtt: float | None
    hello: Hello | None
    payload: bytes


def read(pcap: Path, tls_ports: Sequence[int]) -> Iterator[Segment]:
    """All TCP segments of this file, in the order of capture. Raises CaptureError.

    A file that breaks off within a packet, as one does that has reached its largest size, is read as far as it goes.
    """
    command = ["tshark", "-n", "-r", str(pcap), "-Y", "tcp", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]
    command += [word for field in _FIELDS for word in ("-e", field)]
    # The engine's usual port is another protocol's for tshark.
    command += [word for port in tls_ports for word in ("-d", f"tcp.port=={port},tls")]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tshark:
            assert tshark.stdout  # noqa: S101 - for the type checker: it is a pipe
            assert tshark.stderr  # noqa: S101 - the same
            for line in tshark.stdout:
                yield _segment(line.rstrip("\n").split("\t"))
            said = tshark.stderr.read().strip()
    except FileNotFoundError:
        raise CaptureError("tshark is not installed: make packages") from None
    if tshark.returncode and "cut short" not in said:
        raise CaptureError(f"tshark cannot read {pcap}: {said}")


def _segment(values: Sequence[str]) -> Segment:
    found = dict(zip(_FIELDS, values, strict=True))
    seconds, _, fraction = found["frame.time_epoch"].partition(".")
    return Segment(
        at_ns=int(seconds) * _NS + int(fraction.ljust(9, "0")[:9] or "0"),
        size=int(found["frame.len"]),
        source=End(found["ip.src"] or found["ipv6.src"], int(found["tcp.srcport"])),
        target=End(found["ip.dst"] or found["ipv6.dst"], int(found["tcp.dstport"])),
        stream=int(found["tcp.stream"]),
        sequence=int(found["tcp.seq_raw"]),
        is_syn=found["tcp.flags.syn"] in _TRUE,
        is_ack=found["tcp.flags.ack"] in _TRUE,
        is_retransmission=bool(found["tcp.analysis.retransmission"]),
        ack_rtt=float(found["tcp.analysis.ack_rtt"]) if found["tcp.analysis.ack_rtt"] else None,
        initial_rtt=float(found["tcp.analysis.initial_rtt"]) if found["tcp.analysis.initial_rtt"] else None,
        hello=_hello(found),
        payload=bytes.fromhex(found["tcp.payload"].replace(",", "")),
    )


def _hello(found: dict[str, str]) -> Hello | None:
    if _SERVER_HELLO not in found["tls.handshake.type"].split(","):
        return None
    # From 1.3 on the version that counts is in an extension, and the field says 1.2 for the sake of old equipment.
    version = found["tls.handshake.extensions.supported_version"] or found["tls.handshake.version"]
    cipher = found["tls.handshake.ciphersuite"]
    return Hello(int(version.split(",")[0], 16), int(cipher.split(",")[0], 16)) if version and cipher else None
