"""The time of a key's latest write at a node, which KeyDB's active replicas append to what DUMP gives."""

from __future__ import annotations

# What follows a value in KeyDB's DUMP: an auxiliary field with its name and its value as text, each behind its length.
_FIELD = b"\xfa\x0bmvcc-tstamp"
# Version and checksum.
_FOOTER_BYTES = 10
_UNKNOWN = (1 << 64) - 1


def stamp_of(dump: bytes) -> int | None:
    """Milliseconds of Unix time on that node's clock, shifted left by 20 bits, and a counter; None: not known."""
    body, separator, field = dump[:-_FOOTER_BYTES].rpartition(_FIELD)
    if not separator or not body or field[:1] != bytes([len(field) - 1]) or not field[1:].isdigit():
        return None
    stamp = int(field[1:])
    return stamp if 0 < stamp < _UNKNOWN else None
