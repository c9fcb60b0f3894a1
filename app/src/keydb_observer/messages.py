"""What travels through the engine, as one line of JSON each: the shared value, handshakes that answer it, and reports.

Whatever is read was written by somebody else, so parsing trusts nothing: every field's type and range is checked, and a
name may only hold what is harmless in a log line and in a key.
"""

from __future__ import annotations

import enum
import re
from typing import Annotated, TypeVar

import msgspec

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
NAME_ALLOWED = "1 to 253 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
HANDSHAKE_PREFIX = "handshake:"
REPORT_PREFIX = "observer:"

_INT64_MAX = 2**63 - 1
_Name = Annotated[str, msgspec.Meta(pattern=rf"^{NAME_PATTERN.pattern}\Z")]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=_INT64_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=_INT64_MAX)]
_Signed = Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)]


class MalformedError(ValueError):
    """What was read is not a message of this program; the text says in which way."""


class Mode(str, enum.Enum):
    """The two kinds of listener."""

    SYNC = "sync"
    ASYNC = "async"

    @property
    def listener(self) -> str:
        """The listener's name in logs, handshakes and unit names: ``listener-sync``."""
        return f"listener-{self.value}"


class WokenBy(str, enum.Enum):
    """Why a listener read the key. Only an event tells how long it takes from a write to a reaction."""

    EVENT = "event"
    SUBSCRIPTION = "subscription"


class SharedValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of an observed key.

    ``epoch`` is the Unix time in ns at which the writer started, ``seq`` counts its writes of this key from 1, and
    ``t1_ns`` is the writer's clock (Unix time in ns) right before this write. ``error_ns`` is how far that clock may be
    off (None: unknown). ``before`` is how many writes of the key there were before this epoch, as far as its writer
    knows, so that they can be counted across its restarts. ``payload`` is the user's own.
    """

    writer: _Name
    epoch: _Positive
    seq: _Positive
    t1_ns: _Positive
    error_ns: _Count | None = None
    before: _Count = 0
    payload: str = ""

    @property
    def total(self) -> int:
        """How many writes of the key there were up to this one, as far as its writer knows."""
        return self.before + self.seq

    def encode(self) -> bytes:
        """One line of JSON."""
        return _encode(self)

    @classmethod
    def parse(cls, raw: bytes | str) -> SharedValue:
        """Raises MalformedError."""
        return _decode(_VALUE, raw)


class Handshake(msgspec.Struct, frozen=True):
    """A listener's answer to the latest write of a key.

    ``t1_ns`` is copied from the value (writer's clock); ``t2_ns`` is when the listener saw the event and ``t3_ns`` when
    it sent this handshake (both the listener's clock). All are Unix time in ns. ``held_ns`` is the time from t2 to t3
    on the listener's monotonic clock, which no step of its time of day can falsify.
    """

    listener: _Name
    host: _Name
    key: str
    writer: _Name
    epoch: _Positive
    seq: _Positive
    t1_ns: _Positive
    t2_ns: _Positive
    t3_ns: _Positive
    held_ns: _Count
    woken_by: WokenBy

    def encode(self) -> bytes:
        """One line of JSON."""
        return _encode(self)

    @classmethod
    def parse(cls, raw: bytes | str) -> Handshake:
        """Raises MalformedError."""
        return _decode(_HANDSHAKE, raw)


class Distribution(msgspec.Struct, frozen=True):
    """Of time differences, in ns. The percentiles and the maximum are None where nothing was measured."""

    count: _Count = 0
    p50_ns: _Signed | None = None
    p90_ns: _Signed | None = None
    p99_ns: _Signed | None = None
    p999_ns: _Signed | None = None
    max_ns: _Signed | None = None


class Counts(msgspec.Struct):
    """What became of the writes that a listener knows of, and what else it met. All since it started.

    Each write is counted once: as ``read`` (its value was read), ``superseded`` (its event was seen, but a later write
    had replaced the value before it was read) or ``missed`` (neither). ``found`` of those read were there on
    subscribing, without an event. ``repeated`` and ``reordered`` are readings of a write that is known already: the
    latest one, or one before it. ``foreign`` are readings of a value that no writer of this program wrote.
    """

    events: _Count = 0
    read: _Count = 0
    found: _Count = 0
    superseded: _Count = 0
    missed: _Count = 0
    repeated: _Count = 0
    reordered: _Count = 0
    foreign: _Count = 0

    @property
    def seen(self) -> int:
        """Writes that the listener took note of: by their value or at least by their event."""
        return self.read + self.superseded

    @property
    def written(self) -> int:
        """All the writes that it knows of."""
        return self.seen + self.missed


class Report(msgspec.Struct, frozen=True):
    """A listener's own figures, which it publishes once a second while they change.

    ``node`` is the name of the node that it listens to, and ``sent_ns`` (Unix time) when this was sent. ``run`` and
    ``minute`` are the distributions of the time from a write to its event, since the start and of the last minute;
    ``error_ns`` is how far this host's clock may be off (None: unknown).
    """

    listener: _Name
    host: _Name
    node: str
    sent_ns: _Positive
    counts: Counts
    run: Distribution
    minute: Distribution
    reconnects: _Count
    resyncs: _Count
    error_ns: _Count | None

    def encode(self) -> bytes:
        """One line of JSON."""
        return _encode(self)

    @classmethod
    def parse(cls, raw: bytes | str) -> Report:
        """Raises MalformedError."""
        return _decode(_REPORT, raw)


def handshake_key(host: str, mode: Mode, key: str | None = None) -> str:
    """``handshake:<host>:<sync|async>`` for a listener to one key, with ``:<key>`` after it for one of several."""
    return f"{HANDSHAKE_PREFIX}{host}:{mode.value}" + (f":{key}" if key is not None else "")


def report_key(host: str, mode: Mode) -> str:
    """``observer:<host>:<sync|async>``, where this listener's report is."""
    return f"{REPORT_PREFIX}{host}:{mode.value}"


def keyspace_channel(key: str) -> str:
    """The channel on which a server tells what happens to this key of database 0."""
    return f"__keyspace@0__:{key}"


_Message = TypeVar("_Message")
_VALUE = msgspec.json.Decoder(SharedValue)
_HANDSHAKE = msgspec.json.Decoder(Handshake)
_REPORT = msgspec.json.Decoder(Report)
_encode = msgspec.json.Encoder().encode


def _decode(decoder: msgspec.json.Decoder[_Message], raw: bytes | str) -> _Message:
    try:
        return decoder.decode(raw)
    # A hostile value may be nested deep enough for a RecursionError, or be no UTF-8.
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedError(str(error) or type(error).__name__) from None
