"""Whether bytes are TLS records (RFC 8446, section 5.1), also where a capture begins in the middle of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keydb_capture.streams import Chunk

_HEADER = 5
_TYPES = frozenset((20, 21, 22, 23))
_MAJOR = 3
_LAST_MINOR = 4
_LONGEST = 2**14 + 2048
"""Bytes of a protected record, of TLS 1.2; those of 1.3 are shorter."""
_TEXT = frozenset((*range(0x20, 0x7F), 0x0A, 0x0D, 0x09))
_MOSTLY = 0.9


@dataclass(frozen=True)
class Framing:
    """``records`` is how many headers were found. ``foreign`` is what is no TLS, from where it is not any longer.

    ``unknown_bytes`` are inside of a record whose header was not captured, as far as can be told.
    """

    records: int
    foreign: bytes = b""
    unknown_bytes: int = 0

    @property
    def is_tls(self) -> bool:
        """Whether nothing speaks against it, and something for it."""
        return not self.foreign and self.records > 0


def frame(chunks: Sequence[Chunk], *, begins: bool) -> Framing:
    """Follows the records of one direction from header to header. ``begins``: the first byte is the first one sent."""
    boundary: int | None = chunks[0].start if begins and chunks else None
    records = unknown = 0
    for chunk in chunks:
        if boundary is not None and boundary >= chunk.end:
            continue
        if boundary is None or boundary < chunk.start:
            found = _first_header(chunk.data)
            if found is None:
                if _begins_with_record(chunk.data):
                    # Something else follows it.
                    found = 0
                elif _looks_like_text(chunk.data) or len(chunk.data) > _HEADER + _LONGEST:
                    return Framing(records, chunk.data, unknown)
                else:
                    unknown += len(chunk.data)
                    boundary = None
                    continue
            unknown += found
            boundary = chunk.start + found
        position = boundary - chunk.start
        while len(chunk.data) - position >= _HEADER:
            length = _record_length(chunk.data, position)
            if length is None:
                return Framing(records, chunk.data[position:], unknown)
            records += 1
            position += _HEADER + length
        left = chunk.data[position:] if position < len(chunk.data) else b""
        if left and not _may_begin_header(left):
            return Framing(records, left, unknown)
        # After a header that is cut by a gap nobody knows where the next one is.
        boundary = None if left else chunk.start + position
    return Framing(records, unknown_bytes=unknown)


def _record_length(data: bytes, position: int) -> int | None:
    kind, major, minor = data[position : position + 3]
    length = int.from_bytes(data[position + 3 : position + _HEADER], "big")
    is_record = kind in _TYPES and major == _MAJOR and minor <= _LAST_MINOR and 0 < length <= _LONGEST
    return length if is_record else None


def _begins_with_record(data: bytes) -> bool:
    return len(data) >= _HEADER and _record_length(data, 0) is not None


def _may_begin_header(left: bytes) -> bool:
    return left[0] in _TYPES and left[1:2] in (b"", bytes((_MAJOR,)))


def _first_header(data: bytes) -> int | None:
    """Where the first record begins that is followed by nothing but records, to the end of what is there."""
    for start in range(min(len(data), _HEADER + _LONGEST)):
        position = start
        while len(data) - position >= _HEADER:
            length = _record_length(data, position)
            if length is None:
                break
            position += _HEADER + length
        else:
            left = data[position:] if position < len(data) else b""
            if position > start and (not left or _may_begin_header(left)):
                return start
    return None


def _looks_like_text(data: bytes) -> bool:
    return sum(byte in _TEXT for byte in data) >= _MOSTLY * len(data)
