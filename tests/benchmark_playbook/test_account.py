"""What a listener's account makes of the writes that it was told of, superseded ones included."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from keydb_observer.changes import Change
from keydb_observer.ledger import Entry, Sighting
from keydb_observer.messages import SharedValue
from keydb_observer.stream import Instant

_FILE = Path(__file__).resolve().parents[2] / "roles" / "bench" / "files" / "keydb-bench" / "listener.py"
_MS = 1_000_000
_EPOCH = 1_700_000_000_000_000_000


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("keydb_bench_listener", _FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTENER = _module()


def change(seq: int, due_ms: int, seen_ms: int, superseded: int = 0, missed: int = 0) -> Change:
    """A write that was due and seen so many ms after the start; the one before it was due 10 ms earlier."""
    value = SharedValue("w", _EPOCH, seq, _EPOCH + due_ms * _MS)
    entry = Entry(Sighting.NEXT, superseded, missed)
    seen = Instant(_EPOCH + seen_ms * _MS, 0)
    return Change(b"load:0", "load:0", b"", value, entry, None, seen, seen, None)


def summary_of(changes: list[Change], done_ms: int, monkeypatch: pytest.MonkeyPatch, warmup_ms: int = 0) -> dict:  # type: ignore[type-arg]
    account = LISTENER.Account(Path("/nowhere"), 10**6, 10.0 * _MS, warmup_ms * _MS)
    monkeypatch.setattr(LISTENER.time, "time_ns", lambda: _EPOCH + done_ms * _MS)
    account.taken(changes)
    return account.summary()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("superseded", "done_ms", "in_time"),
    [
        (0, 1001, 1),
        (0, 1100, 1),
        (0, 1101, 0),
        # Those before it were due 10, 20, ... ms earlier and are as much later: of 20 the last ten are in time.
        (20, 1000, 11),
        (20, 1050, 6),
        (20, 1200, 0),
    ],
)
def test_superseded_writes_count_from_their_own_time(
    superseded: int, done_ms: int, in_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = summary_of([change(100, 1000, 1000, superseded)], done_ms, monkeypatch)
    assert (found["handled"], found["in_time"]) == (superseded + 1, in_time)


@pytest.mark.parametrize(("warmup_ms", "handled"), [(0, 6), (960, 5), (1000, 1), (1001, 0)])
def test_the_warm_up_is_left_out(warmup_ms: int, handled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = summary_of([change(100, 1000, 1001, superseded=5)], 1002, monkeypatch, warmup_ms)
    assert found["handled"] == handled
    assert found["accounted"] == 6


def test_missed_writes_are_accounted_for_and_never_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = summary_of([change(100, 1000, 1001, superseded=1, missed=3)], 1002, monkeypatch)
    assert found["accounted"] == 5
    assert found["in_time"] == 2


def test_percentiles_are_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    found = summary_of([change(number, 1000 + number, 1000 + number + 2) for number in range(50)], 1100, monkeypatch)
    p50 = dict(found["percentiles"])[50.0]
    assert p50 == pytest.approx(2 * _MS, rel=0.001)
