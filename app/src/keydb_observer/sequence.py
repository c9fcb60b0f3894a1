"""Which of a writer's writes were seen, and which were not."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass

from keydb_observer.messages import SharedValue


class Sighting(enum.Enum):
    """How a value that was read stands to those read before."""

    FIRST = "first"
    NEXT = "next"
    NEW_EPOCH = "new epoch"
    REPEAT = "repeat"
    LATE = "late"

    @property
    def is_news(self) -> bool:
        """Whether this write was not known before."""
        return self not in (Sighting.REPEAT, Sighting.LATE)


@dataclass(frozen=True)
class Observation:
    """``missed`` is how many writes lie between this one and the last of its epoch that was seen."""

    sighting: Sighting
    missed: int = 0


class SequenceTracker:
    """Follows the sequence numbers of each epoch.

    An epoch is an identity, not an order: a board without a battery clock may start its writer with an earlier epoch
    than the one before. So a value is late only when its own epoch has already been followed beyond it. The epochs of
    the recent past are remembered for that, the latest 16 of them.

    The writes before the very first value that was seen are not missed: nobody was there to see them.
    """

    REMEMBERED_EPOCHS = 16

    def __init__(self) -> None:
        self._last_seq: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._current: tuple[str, int] | None = None
        self.missed = 0

    def observe(self, value: SharedValue) -> Observation:
        """Judges a value that was read, and remembers it."""
        epoch = (value.writer, value.epoch)
        last_seq = self._last_seq.get(epoch, 0)
        if value.seq <= last_seq:
            is_repeat = epoch == self._current and value.seq == last_seq
            return Observation(Sighting.REPEAT if is_repeat else Sighting.LATE)

        if self._current is None:
            observation = Observation(Sighting.FIRST)
        else:
            sighting = Sighting.NEXT if epoch == self._current else Sighting.NEW_EPOCH
            observation = Observation(sighting, missed=value.seq - last_seq - 1)
        self._current = epoch
        self._last_seq[epoch] = value.seq
        self._last_seq.move_to_end(epoch)
        if len(self._last_seq) > self.REMEMBERED_EPOCHS:
            self._last_seq.popitem(last=False)
        self.missed += observation.missed
        return observation
