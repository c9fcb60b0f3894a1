"""What travels through the engine: the shared value and the handshakes that answer it, as one line of JSON each.

Whatever is read was written by somebody else, so parsing trusts nothing: every field's type and range is checked, and a
name may only hold what is harmless in a log line and in a key.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
NAME_ALLOWED = "1 to 253 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
HANDSHAKE_PREFIX = "handshake:"

_INT64_MAX = 2**63 - 1


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


@dataclass(frozen=True)
class SharedValue:
    """The value of the shared key.

    ``epoch`` is the Unix time in ns at which the writer started, ``seq`` counts its writes from 1, and ``t1_ns`` is the
    writer's clock (Unix time in ns) right before this write.
    """

    writer: str
    epoch: int
    seq: int
    t1_ns: int

    def encode(self) -> bytes:
        """One line of JSON."""
        return _encode(asdict(self))

    @classmethod
    def parse(cls, raw: bytes | str) -> SharedValue:
        """Raises MalformedError."""
        fields = _Fields(raw)
        return cls(
            writer=fields.name("writer"),
            epoch=fields.integer("epoch", 1),
            seq=fields.integer("seq", 1),
            t1_ns=fields.integer("t1_ns", 1),
        )


@dataclass(frozen=True)
class ListenerStats:
    """A listener's own figures since it started. Percentiles are None until there is a first time difference."""

    count: int
    missed: int
    p50_ns: int | None
    p99_ns: int | None
    max_ns: int | None


@dataclass(frozen=True)
class Handshake:
    """A listener's answer to one write.

    ``t1_ns`` is copied from the value (writer's clock); ``t2_ns`` is when the listener saw the event and ``t3_ns`` when
    it sent this handshake (both the listener's clock). All are Unix time in ns.
    """

    listener: str
    host: str
    writer: str
    epoch: int
    seq: int
    t1_ns: int
    t2_ns: int
    t3_ns: int
    woken_by: WokenBy
    stats: ListenerStats

    def encode(self) -> bytes:
        """One line of JSON."""
        return _encode(asdict(self))

    @classmethod
    def parse(cls, raw: bytes | str) -> Handshake:
        """Raises MalformedError."""
        fields = _Fields(raw)
        stats = fields.object("stats")
        return cls(
            listener=fields.name("listener"),
            host=fields.name("host"),
            writer=fields.name("writer"),
            epoch=fields.integer("epoch", 1),
            seq=fields.integer("seq", 1),
            t1_ns=fields.integer("t1_ns", 1),
            t2_ns=fields.integer("t2_ns", 1),
            t3_ns=fields.integer("t3_ns", 1),
            woken_by=fields.woken_by(),
            stats=ListenerStats(
                count=stats.integer("count", 0),
                missed=stats.integer("missed", 0),
                p50_ns=stats.integer_or_none("p50_ns"),
                p99_ns=stats.integer_or_none("p99_ns"),
                max_ns=stats.integer_or_none("max_ns"),
            ),
        )


def handshake_key(host: str, mode: Mode) -> str:
    """``handshake:<host>:<sync|async>``, the one key that this listener writes."""
    return f"{HANDSHAKE_PREFIX}{host}:{mode.value}"


def keyspace_channel(key: str) -> str:
    """The channel on which a server tells what happens to this key of database 0."""
    return f"__keyspace@0__:{key}"


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class _Fields:
    """Checked access to the fields of a JSON object. Every method raises MalformedError and names the field."""

    def __init__(self, raw: bytes | str) -> None:
        try:
            # The decoder recurses into nested arrays, so a hostile value may also end in a RecursionError.
            content = json.loads(raw)
        except (ValueError, RecursionError):
            raise MalformedError("it is not JSON") from None
        if not isinstance(content, dict):
            raise MalformedError("it is not a JSON object")
        self._content: dict[str, Any] = content

    def _get(self, field: str) -> Any:
        if field not in self._content:
            raise MalformedError(f"{field} is not there")
        return self._content[field]

    def name(self, field: str) -> str:
        name = self._get(field)
        if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
            raise MalformedError(f"{field} is not a name")
        return name

    def integer(self, field: str, least: int) -> int:
        number = self._get(field)
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= _INT64_MAX:
            raise MalformedError(f"{field} is not an integer from {least} to {_INT64_MAX}")
        return number

    def integer_or_none(self, field: str) -> int | None:
        return None if self._get(field) is None else self.integer(field, -_INT64_MAX)

    def object(self, field: str) -> _Fields:
        content = self._get(field)
        if not isinstance(content, dict):
            raise MalformedError(f"{field} is not a JSON object")
        inner = _Fields.__new__(_Fields)
        inner._content = content
        return inner

    def woken_by(self) -> WokenBy:
        given = self._get("woken_by")
        try:
            return WokenBy(given)
        except ValueError:
            raise MalformedError("woken_by is neither event nor subscription") from None
