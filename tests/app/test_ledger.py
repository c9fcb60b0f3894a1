"""What becomes of each write, by sequence numbers and events alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.ledger import Entry, Ledger, Sighting
from keydb_observer.messages import Counts, SharedValue


@dataclass
class Book:
    """A ledger and its counts."""

    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.counts)

    def read(self, seq: int, events: int = 1, epoch: int = 1, before: int = 0) -> Entry:
        return self.ledger.enter(SharedValue("w", epoch, seq, 1, before=before), events)


def test_each_write_after_the_other() -> None:
    book = Book()
    assert book.read(7) == Entry(Sighting.FIRST), "writes before the first one that was seen are nobody's"
    assert book.read(8) == Entry(Sighting.NEXT)
    assert book.counts == Counts(read=2)


def test_events_from_before_a_loss_are_all_of_other_writes() -> None:
    book = Book()
    book.read(1)
    entry = book.ledger.enter(SharedValue("w", 1, 6, 1), 2, has_own=False)
    assert entry == Entry(Sighting.NEXT, superseded=2, missed=2)


def test_the_first_value_after_several_events() -> None:
    book = Book()
    book.ledger.unreadable(5)
    assert book.read(7, events=3) == Entry(Sighting.FIRST, superseded=2)
    assert Book().read(2, events=9) == Entry(Sighting.FIRST, superseded=1)


def test_events_tell_superseded_from_missed() -> None:
    book = Book()
    book.read(1)
    assert book.read(5, events=4) == Entry(Sighting.NEXT, superseded=3)
    assert book.read(9, events=0) == Entry(Sighting.NEXT, missed=3), "found upon subscribing"
    assert book.read(13, events=2) == Entry(Sighting.NEXT, superseded=1, missed=2)
    assert book.read(14, events=9) == Entry(Sighting.NEXT), "something else also happened to the key"
    assert (book.counts.superseded, book.counts.missed, book.counts.written) == (4, 5, 14 - 1 + 1)


def test_events_of_a_value_that_could_not_be_read_still_count() -> None:
    book = Book()
    book.read(1)
    book.ledger.unreadable(2)
    assert book.read(4) == Entry(Sighting.NEXT, superseded=2)


def test_known_writes_are_named_and_not_counted_twice() -> None:
    book = Book()
    book.read(5)
    assert book.read(5) == Entry(Sighting.REPEATED)
    assert book.read(3) == Entry(Sighting.REORDERED)
    assert book.counts == Counts(read=1, repeated=1, reordered=1)


def test_a_new_epoch_tells_how_many_writes_there_were_before() -> None:
    book = Book()
    book.read(10)
    entry = book.read(3, events=0, epoch=2, before=14)
    assert entry == Entry(Sighting.NEW_EPOCH, missed=6, left_behind=4)
    assert book.read(15, epoch=1) == Entry(Sighting.NEW_EPOCH, missed=4), (
        "the old writer lives, and goes on: rather counted twice than not at all"
    )
    entry = book.read(1, events=0, epoch=4, before=40)
    assert entry == Entry(Sighting.NEW_EPOCH, missed=23, left_behind=23), "epochs that came and went unseen"
    assert book.read(4, epoch=2) == Entry(Sighting.NEW_EPOCH)


def test_a_writer_that_knew_less_than_is_known_here() -> None:
    book = Book()
    book.read(20)
    assert book.read(1, epoch=2, before=18) == Entry(Sighting.NEW_EPOCH)
    assert book.read(1, epoch=3) == Entry(Sighting.NEW_EPOCH), "the key was lost in between"
    assert book.read(1, epoch=4, before=6) == Entry(Sighting.NEW_EPOCH, missed=5, left_behind=5)


def test_an_epoch_that_does_not_know_what_it_follows() -> None:
    book = Book()
    book.read(10)
    assert book.read(3, epoch=2) == Entry(Sighting.NEW_EPOCH, missed=2)


steps = st.lists(
    st.tuples(
        st.integers(0, 5),  # writes
        st.integers(0, 5),  # of these, how many have an event
        st.booleans(),  # the writer is restarted first, and knows what was before
    ),
    min_size=1,
)


@given(steps)
def test_every_write_is_counted_once(script: list[tuple[int, int, bool]]) -> None:
    book, epoch, seq, before, written, seen_events = Book(), 1, 1, 0, 1, 0
    book.read(1)
    for writes, most_events, restarts in script:
        if restarts and seq:
            epoch, seq, before = epoch + 1, 0, before + seq
        seq, written = seq + writes, written + writes
        events = min(writes, most_events)
        seen_events += events
        # A writer that has started and written nothing yet is not known to anybody.
        if seq:
            book.read(seq, events, epoch, before)
    assert book.counts.written == written
    assert book.counts.superseded <= seen_events


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3), st.integers(1, 20))))
def test_nothing_ever_counts_below_zero(readings: list[tuple[int, int, int]]) -> None:
    book = Book()
    for seq, events, epoch in readings:
        entry = book.read(seq, events, epoch)
        assert entry.missed >= 0
        assert entry.superseded >= 0
    counts = book.counts
    assert counts.read + counts.repeated + counts.reordered == len(readings)
