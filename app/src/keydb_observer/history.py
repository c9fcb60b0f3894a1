"""A history: what was done to which key, when, and what came of it. Storms write it, and the judge reads it.

Each operation is a line when it is sent, as one whose outcome is unknown, and a line when its outcome is known; of two
lines with one number the later one counts. So whatever a killed process had under way stays in its history.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keydb_observer.json_lines import LineFile, each_line

RUN = 1_000_000
"""A process that goes on with a history begins at the next multiple of this: it cannot know what was lost of it."""

_TAIL = 1 << 16


class Outcome(str, enum.Enum):
    """What is known of an operation: the server did it, it refused it, or nobody can tell."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Do(str, enum.Enum):
    """What an operation does. ``EXPIRE`` sets a key that is to vanish by itself, ``SET_BOTH`` one that others set."""

    SET = "set"
    INCR = "incr"
    DEL = "del"
    EXPIRE = "expire"
    SET_BOTH = "set_both"


class Operation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """``op`` is its number, which its host never uses again; ``value`` tells by whom and in which operation it was set.

    Of INCR and DEL it is what the server answered: the count, and how many keys there were. ``durable`` is 1 where as
    many replicas as were asked for have confirmed it. ``sent_ns`` and ``done_ns`` are Unix time, the latter 0 while
    nothing has come of it; ``why`` says why the outcome is no better. ``expires_ms`` is for EXPIRE.
    """

    op: int
    do: Do
    key: str
    value: str
    durable: int
    sent_ns: int
    done_ns: int
    outcome: Outcome
    why: str
    expires_ms: int = 0

    @property
    def is_acknowledged(self) -> bool:
        """Whether the server said that it did it."""
        return self.outcome is Outcome.ACKNOWLEDGED

    @property
    def may_be_done(self) -> bool:
        """Whether the server did it or may have done it."""
        return self.outcome is not Outcome.FAILED


class History:
    """A history that is being written. Making one opens the file; raises OSError.

    ``first_op`` is a number that was not used before.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)
        last_op = _last_op(path)
        self.first_op = (last_op // RUN + 1) * RUN if last_op else 1

    @property
    def error(self) -> OSError | None:
        """Why the disk does not take what has to be written; None: it does."""
        return self._file.error

    def add(self, operation: Operation) -> bool:
        """Returns whether it is written. If not, it waits, and nothing should be done before it is."""
        return self._file.add(operation)

    def flush(self) -> bool:
        """Tries again to write what waits, and returns whether nothing does."""
        return self._file.flush()

    def close(self) -> None:
        """The end of it."""
        self._file.close()


def _last_op(path: Path) -> int:
    """The highest number near the end; 0 where there is none. Numbers are used in their order, but not settled so."""
    decode = msgspec.json.Decoder(Operation).decode
    last = 0
    with path.open("rb") as file:
        file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        for line in file:
            try:
                last = max(last, decode(line).op)
            except (msgspec.MsgspecError, UnicodeError):
                continue
    return last


@dataclass(frozen=True)
class Recorded:
    """A history as it was read: each operation once, in the order of their numbers.

    ``broken`` counts lines that cannot be read. A process that is killed leaves one at most.
    """

    operations: Sequence[Operation]
    broken: int = 0

    @property
    def processes(self) -> int:
        """How many have written it."""
        return len({operation.op // RUN for operation in self.operations})

    @classmethod
    def read(cls, path: Path) -> Recorded:
        """Raises OSError."""
        latest: dict[int, Operation] = {}
        broken = 0
        for operation in each_line(path, Operation):
            if operation is None:
                broken += 1
            else:
                latest[operation.op] = operation
        return cls([latest[op] for op in sorted(latest)], broken)
