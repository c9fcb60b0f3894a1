"""Which of a key's writes were read, which were superseded, and which were missed."""

from __future__ import annotations

import enum
from collections import OrderedDict

import msgspec

from keydb_observer.messages import Counts, SharedValue


class Sighting(enum.Enum):
    """How a value that was read stands to those read before."""

    FIRST = "first"
    NEXT = "next"
    NEW_EPOCH = "new epoch"
    REPEATED = "repeated"
    REORDERED = "reordered"

    @property
    def is_news(self) -> bool:
        """Whether this write was not known before."""
        return self not in (Sighting.REPEATED, Sighting.REORDERED)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What one reading tells: of the writes since the last one, how many were ``superseded`` and how many ``missed``.

    ``left_behind`` of both together were writes of an epoch before this value's.
    """

    sighting: Sighting
    superseded: int = 0
    missed: int = 0
    left_behind: int = 0


_Epoch = tuple[str, int]


class Ledger:
    """Follows the sequence numbers of one key, epoch by epoch, and adds what it finds to ``counts``.

    A reading accounts for all the writes up to its value's. The value's own was *read*. Those before it that are new
    are told apart by the events: the server sends one for each write, in order, so as many of the writes as there were
    events, but for the one that belongs to the value itself, were seen and *superseded*; the rest was *missed*.

    An epoch is an identity, not an order: a board without a battery clock may start its writer with an earlier epoch
    than the one before. So a value is reordered only when its own epoch has already been followed beyond it. The latest
    16 epochs are remembered for that.

    The writes before the very first value that was read are not missed: nobody was there to see them. Those that events
    told of are superseded all the same.
    """

    REMEMBERED_EPOCHS = 16

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._last_seq: OrderedDict[_Epoch, int] = OrderedDict()
        self._totals: dict[_Epoch, int] = {}
        self._current: _Epoch | None = None
        self._unread_events = 0

    def unreadable(self, events: int) -> None:
        """The key held no value of a writer's when it was read. Its writes' events stay to be accounted for."""
        if self._current is not None:
            self._unread_events += events

    def enter(self, value: SharedValue, events: int, *, has_own: bool = True) -> Entry:
        """Judges a value that was read, after ``events`` events since the last reading, and remembers it.

        ``has_own`` is whether the value's own event can be among them: not where it was read upon subscribing, and all
        the events are from before the connection was lost.
        """
        counts = self._counts
        epoch = (value.writer, value.epoch)
        last_seq = self._last_seq.get(epoch, 0)
        if value.seq <= last_seq:
            if epoch == self._current and value.seq == last_seq:
                counts.repeated += 1
                return Entry(Sighting.REPEATED)
            counts.reordered += 1
            return Entry(Sighting.REORDERED)
        skipped, left_behind = value.seq - last_seq - 1, 0
        if self._current is None:
            sighting, skipped = Sighting.FIRST, min(skipped, max(events - 1, 0))
        elif epoch == self._current:
            sighting = Sighting.NEXT
        else:
            # Of an epoch that was left and comes back, what was before it is accounted for.
            sighting, left_behind = Sighting.NEW_EPOCH, 0 if last_seq else self._left_behind(value)
            skipped += left_behind
        superseded = min(skipped, max(events + self._unread_events - has_own, 0))
        missed = skipped - superseded
        self._unread_events = 0
        self._remember(epoch, value)
        counts.read += 1
        counts.superseded += superseded
        counts.missed += missed
        return Entry(sighting, superseded, missed, left_behind)

    def _left_behind(self, value: SharedValue) -> int:
        """How many writes before this value's epoch were never known."""
        if self._current is None or value.before <= self._totals[self._current]:
            # Its writer knew of no more than is known here.
            return 0
        return value.before - max(total for total in self._totals.values() if total <= value.before)

    def _remember(self, epoch: _Epoch, value: SharedValue) -> None:
        self._current = epoch
        self._last_seq[epoch] = value.seq
        self._last_seq.move_to_end(epoch)
        self._totals[epoch] = value.total
        if len(self._last_seq) > self.REMEMBERED_EPOCHS:
            forgotten, _ = self._last_seq.popitem(last=False)
            del self._totals[forgotten]
