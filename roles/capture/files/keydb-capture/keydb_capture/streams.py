"""One direction of a connection as its bytes in order, however its segments came."""

from __future__ import annotations

from dataclasses import dataclass, field

from keydb_capture.packets import End, Segment

_WRAP = 2**32


@dataclass(frozen=True)
class Chunk:
    """Bytes without a gap; ``start`` is where they are in the stream, counted from the first one that was seen."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Where the next byte would be."""
        return self.start + len(self.data)


@dataclass
class Direction:
    """What ``source`` sent to ``target`` on one connection. ``begins`` tells whether its first byte was seen."""

    source: End
    target: End
    begins: bool = False
    _first: int | None = None
    _pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, segment: Segment) -> None:
        """Takes the next segment of this direction, in the order of capture."""
        sequence = segment.sequence
        if segment.is_syn:
            self.begins = True
            # The SYN counts as one.
            sequence = (sequence + 1) % _WRAP
            self._first = sequence
        elif self._first is None:
            self._first = sequence
        if segment.payload:
            # Before the first one is possible, too: what was sent earlier and comes late.
            offset = (sequence - self._first + _WRAP // 2) % _WRAP - _WRAP // 2
            self._pieces.append((offset, segment.payload))

    def chunks(self) -> list[Chunk]:
        """All bytes in order, each once. A gap is what was not captured."""
        found: list[tuple[int, bytearray]] = []
        for start, data in sorted(self._pieces, key=lambda piece: piece[0]):
            end = found[-1][0] + len(found[-1][1]) if found else None
            if end is None or start > end:
                found.append((start, bytearray(data)))
            else:
                found[-1][1].extend(data[end - start :])
        return [Chunk(start, bytes(data)) for start, data in found]
