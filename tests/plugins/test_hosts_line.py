"""Workers find each other, talk, and notice when another one is gone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hosts_line import Line, join, meet


def both_ends(path: Path) -> tuple[Line, Line]:
    joined: list[Line] = []
    joining = threading.Thread(target=lambda: joined.append(join(path, "node2")))
    joining.start()
    met = meet(path, 1)
    joining.join()
    return met["node2"], joined[0]


def test_messages_arrive_whole_and_in_order(tmp_path: Path) -> None:
    one, other = both_ends(tmp_path / "place")
    one.send({"number": 1, "text": "x" * 100_000})
    one.send({"number": 2})
    assert other.receive(5)["text"] == "x" * 100_000
    assert other.receive(5) == {"number": 2}
    other.send({"answer": True})
    assert one.receive(5) == {"answer": True}


def test_silence_and_an_end_are_told_apart(tmp_path: Path) -> None:
    one, other = both_ends(tmp_path / "place")
    with pytest.raises(TimeoutError):
        one.receive(0.1)
    other.close()
    with pytest.raises(EOFError):
        one.receive(5)
