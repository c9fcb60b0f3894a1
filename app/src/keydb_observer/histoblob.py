"""The text form of a histogram that the HdrHistogram libraries share: version 2, compressed, in base64.

It is a header and a zlib stream, which holds another header and the counts of all buckets up to the last one that was
hit. A count is a ZigZag LEB128 number of at most nine bytes; a negative one stands for as many empty buckets.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_OUTER = struct.Struct(">II")  # cookie, length of the stream
_INNER = struct.Struct(">IIiiqqd")  # cookie, length of the counts, offset of the indexes, then Scale, then a ratio
_OUTER_COOKIE, _INNER_COOKIE = 0x1C849304, 0x1C849303
_VERSION_2 = 0x10
# Libraries write a word's size into the cookie, which means nothing in this version.
_COOKIE_MASK = 0xFFFFFF0F
_SEVEN_BITS = 0x7F
_MORE = 0x80
# Every byte of a number carries 7 bits, except for the ninth, which carries 8.
_LONGEST = 9
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Scale:
    """What the buckets are: their precision in decimal digits, and the range of values that they cover."""

    digits: int
    lowest: int
    highest: int


def encode(counts: Mapping[int, int], scale: Scale) -> str:
    """The counts of the buckets, by index; empty ones may be left out."""
    numbers = b"".join(_encoded(number) for number in _with_gaps(counts))
    header = _INNER.pack(_INNER_COOKIE | _VERSION_2, len(numbers), 0, scale.digits, scale.lowest, scale.highest, 1.0)
    stream = zlib.compress(header + numbers)
    return base64.b64encode(_OUTER.pack(_OUTER_COOKIE | _VERSION_2, len(stream)) + stream).decode("ascii")


def decode(text: str, bucket_limit: int) -> tuple[dict[int, int], Scale]:
    """The counts of the buckets that are not empty, by index, and their scale.

    Raises ValueError with the reason; also when there are more than ``bucket_limit`` buckets.
    """
    blob = base64.b64decode(text, validate=True)
    cookie, length = _unpacked(_OUTER, blob)
    if cookie & _COOKIE_MASK != _OUTER_COOKIE or length != len(blob) - _OUTER.size:
        raise ValueError("it is no compressed histogram of version 2")
    content = _decompressed(blob[_OUTER.size :], _INNER.size + _LONGEST * bucket_limit)
    cookie, length, offset, digits, lowest, highest, _ratio = _unpacked(_INNER, content)
    if cookie & _COOKIE_MASK != _INNER_COOKIE or length != len(content) - _INNER.size or offset:
        raise ValueError("it holds no histogram of version 2")
    return _without_gaps(_decoded(content[_INNER.size :]), bucket_limit), Scale(digits, lowest, highest)


def _with_gaps(counts: Mapping[int, int]) -> Iterator[int]:
    following = 0
    for index, count in sorted(counts.items()):
        if not count:
            continue
        if index > following:
            yield following - index
        yield count
        following = index + 1


def _without_gaps(numbers: Iterator[int], bucket_limit: int) -> dict[int, int]:
    counts = {}
    index = 0
    for number in numbers:
        if number > 0:
            counts[index] = number
        index += max(-number, 1)
        if index > bucket_limit:
            raise ValueError("it has more buckets than this histogram")
    return counts


def _encoded(number: int) -> bytes:
    rest = 2 * number if number >= 0 else -2 * number - 1
    if rest <= _SEVEN_BITS:
        return bytes((rest,))
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError("a count takes more than 63 bits")
    encoded = bytearray()
    while rest > _SEVEN_BITS and len(encoded) < _LONGEST - 1:
        encoded.append(rest & _SEVEN_BITS | _MORE)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _decoded(encoded: bytes) -> Iterator[int]:
    rest = length = 0
    for byte in encoded:
        is_last = byte < _MORE or length == _LONGEST - 1
        rest |= (byte if is_last else byte & _SEVEN_BITS) << 7 * length
        length += 1
        if is_last:
            yield rest >> 1 if rest % 2 == 0 else -(rest >> 1) - 1
            rest = length = 0
    if length:
        raise ValueError("its last count is cut short")


def _decompressed(stream: bytes, most: int) -> bytes:
    # Bounded: some bytes from a stranger may stand for gigabytes.
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(stream, most)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("its compressed part is cut short or too long")
    return content


def _unpacked(layout: struct.Struct, content: bytes) -> tuple[Any, ...]:
    try:
        return layout.unpack_from(content)
    except struct.error:
        raise ValueError("it is too short") from None
