"""What a writer learns from handshakes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.handshakes import Rounds
from keydb_observer.messages import Handshake, SharedValue, WokenBy
from keydb_observer.stream import Instant

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND


def handshake(t1: int = EPOCH, t2: int = EPOCH, t3: int = EPOCH, *, seq: int = 1, held: int = 0) -> Handshake:
    return Handshake("listener-sync", "h", "shared_key", "w", EPOCH, seq, t1, t2, t3, held, WokenBy.EVENT)


def wrote(rounds: Rounds, at: Instant, seq: int = 1) -> None:
    rounds.wrote(SharedValue("w", EPOCH, seq, at.time_ns), at)


@given(
    there=st.integers(0, SECOND),
    back=st.integers(0, SECOND),
    held=st.integers(0, SECOND),
    offset=st.integers(-3600 * SECOND, 3600 * SECOND),
    step=st.integers(-3600 * SECOND, 3600 * SECOND),
)
def test_round_trip_and_offset(there: int, back: int, held: int, offset: int, step: int) -> None:
    """``offset`` is how far the listener's clock is ahead, ``there`` and ``back`` are the true one-way delays.

    The round trip holds even when a time of day makes a ``step`` meanwhile, here the writer's.
    """
    for stepped in (0, step):
        rounds = Rounds("w", EPOCH)
        written = Instant(EPOCH, 5)
        wrote(rounds, written)
        t2 = written.time_ns + there + offset
        t3 = t2 + held
        duration = there + held + back
        seen = Instant(written.time_ns + duration + stepped, written.monotonic_ns + duration)
        answer = rounds.answer(b"key", handshake(written.time_ns, t2, t3, held=held), seen)
        assert answer is not None
        assert answer.round_trip_ns == there + back
        if not stepped:
            assert abs(answer.offset_ns - offset) <= answer.round_trip_ns // 2 + 1


def test_handshakes_that_are_not_to_us_or_known() -> None:
    rounds = Rounds("w", EPOCH)
    seen = Instant(EPOCH + 9, 14)
    wrote(rounds, Instant(EPOCH, 5))
    assert rounds.answer(b"key", handshake(), seen) is not None
    assert rounds.answer(b"key", handshake(), seen) is None, "the same once more"
    assert rounds.answer(b"other", handshake(), seen) is not None, "another listener's"
    assert Rounds("other", EPOCH).answer(b"key", handshake(), seen) is None
    assert Rounds("w", EPOCH + 1).answer(b"key", handshake(), seen) is None


def test_memory_for_writes_is_bounded() -> None:
    rounds = Rounds("w", EPOCH)
    for seq in range(1, Rounds.REMEMBERED + 2):
        wrote(rounds, Instant(EPOCH + seq, seq), seq)
    seen = Instant(EPOCH, 20_000)
    forgotten = rounds.answer(b"key", handshake(seq=1), seen)
    assert forgotten is not None
    assert forgotten.round_trip_ns is None
    known = rounds.answer(b"key", handshake(seq=2), seen)
    assert known is not None
    assert known.round_trip_ns == 20_000 - 2
