"""What a listener hands on: a key that was read, and what its value says."""

from __future__ import annotations

import msgspec

from keydb_observer.ledger import Entry
from keydb_observer.messages import SharedValue, WokenBy
from keydb_observer.stream import Instant


class Change(msgspec.Struct, gc=False):
    """A key that changed, or was found on subscribing, and its value of this moment.

    ``name`` is the key as the server has it, ``key`` as it can be shown. ``raw`` is what it holds (None: it is absent,
    or holds no string). ``value`` and ``entry`` are None where that is no value of a writer of this program, for the
    reason in ``foreign``. ``seen`` is when the change's event was seen (None on subscribing), ``read`` when the value
    was. ``error_ns`` is how far apart the writer's clock and this host's may be (None: unknown).
    """

    name: bytes
    key: str
    raw: bytes | None
    value: SharedValue | None
    entry: Entry | None
    foreign: str | None
    seen: Instant | None
    read: Instant
    error_ns: int | None

    @property
    def is_news(self) -> bool:
        """Whether it is a write that was not known before."""
        return self.entry is not None and self.entry.sighting.is_news

    @property
    def woken_by(self) -> WokenBy:
        """Why the key was read."""
        return WokenBy.EVENT if self.seen else WokenBy.SUBSCRIPTION

    @property
    def difference_ns(self) -> int | None:
        """From the write to its event, in ns: the writer's clock to this host's. None where there was no event."""
        return self.seen.time_ns - self.value.t1_ns if self.seen and self.value else None

    @property
    def value_difference_ns(self) -> int | None:
        """From the write to the reading of its value, in ns: the writer's clock to this host's."""
        return self.read.time_ns - self.value.t1_ns if self.value else None
