"""The connections of one capture, and what is spoken on each: TLS, or what can be read by whoever is on the wire."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keydb_capture import framing, resp
from keydb_capture.packets import End, Segment
from keydb_capture.streams import Direction

_HTTP = (b"GET ", b"HEAD ", b"HTTP/1.")


class Speech(enum.Enum):
    """What is spoken on a connection. UNKNOWN is too little to tell, from the middle of what may be a record."""

    TLS = "TLS"
    RESP = "RESP in the clear"
    MARKER = "the value that was written, in the clear"
    HTTP = "HTTP in the clear"
    CLEAR = "not TLS"
    UNKNOWN = "too little to tell"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Spoken:
    """What was made of one connection. ``sample`` is of what is no TLS, without passwords; ``size`` its bytes."""

    speech: Speech
    size: int = 0
    sample: str = ""


class Connection:
    """Both directions of a connection. Whose SYN was not seen counts as server where its port is the smaller one."""

    def __init__(self, first: Segment) -> None:
        ends = sorted((first.source, first.target), key=lambda end: end.port)
        self.server, self.client = ends
        self.is_seen_from_start = False
        self._directions = {
            first.source: Direction(first.source, first.target),
            first.target: Direction(first.target, first.source),
        }

    def add(self, segment: Segment) -> None:
        """Takes the next segment, of either direction."""
        direction = self._directions[segment.source]
        if segment.is_syn:
            self.is_seen_from_start = True
            # The server's has an acknowledgement in it.
            ends = (segment.source, segment.target)
            self.server, self.client = ends if segment.is_ack else ends[::-1]
        direction.add(segment)

    def spoken(self, markers: Sequence[bytes]) -> Spoken:
        """What is spoken here; ``markers`` are values that must not be readable."""
        said = []
        for direction in self._directions.values():
            chunks = direction.chunks()
            for chunk in chunks:
                if any(marker in chunk.data for marker in markers):
                    return Spoken(Speech.MARKER, len(chunk.data), f"from {direction.source}")
            if chunks:
                said.append((direction, chunks, framing.frame(chunks, begins=direction.begins)))
        if not said:
            return Spoken(Speech.NOTHING)
        foreign = [(direction, framed.foreign) for direction, _, framed in said if framed.foreign]
        if not foreign:
            is_tls = any(framed.is_tls for _, _, framed in said)
            return Spoken(Speech.TLS if is_tls else Speech.UNKNOWN)
        size = sum(len(data) for _, data in foreign)
        for _, data in foreign:
            if resp.is_resp(data):
                return Spoken(Speech.RESP, size, resp.shown(data))
        is_http = all(not direction.begins or data.startswith(_HTTP) for direction, data in foreign)
        return Spoken(Speech.HTTP if is_http else Speech.CLEAR, size, resp.shown(foreign[0][1]))


def connections(segments: Iterable[Segment]) -> list[Connection]:
    """All of a capture."""
    found: dict[int, Connection] = {}
    for segment in segments:
        if segment.stream not in found:
            found[segment.stream] = Connection(segment)
        found[segment.stream].add(segment)
    return list(found.values())


def name_of(end: End, names: dict[str, str]) -> str:
    """``node1:6379``, or the address where it is nobody's that has a name."""
    return f"{names[end.host]}:{end.port}" if end.host in names else str(end)
