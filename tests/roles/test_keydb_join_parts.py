"""What a node that starts decides, by what its peers are to it, and what it does to its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from keydb_join.dataset import Dataset
from keydb_join.decision import decide
from keydb_join.nodes import Links, Standing

FOLLOWS, SERVES, STARTS = Standing.FOLLOWS, Standing.SERVES, Standing.STARTS
REFUSES, UNKNOWN, ESTRANGED = Standing.REFUSES, Standing.UNKNOWN, Standing.ESTRANGED


@pytest.mark.parametrize(
    ("peers", "has_data", "waited_s", "donors"),
    [
        ((FOLLOWS, FOLLOWS), True, 0, ("a", "b")),
        # One that is gone changes nothing: the other has heard of everything.
        ((REFUSES, FOLLOWS), True, 0, ("b",)),
        ((UNKNOWN, FOLLOWS), True, 0, ("b",)),
        # A peer that was itself started since may lack what only this node has.
        ((SERVES, SERVES), True, 9, ()),
        ((SERVES, FOLLOWS), True, 0, ("b",)),
        # Who has nothing can lose nothing.
        ((SERVES, REFUSES), False, 0, ("a",)),
        ((STARTS, REFUSES), False, 0, ()),
        ((REFUSES, REFUSES), False, 0, ()),
        # After a power cut.
        ((REFUSES, REFUSES), True, 3, ()),
        ((STARTS, REFUSES), True, 3, ()),
        ((UNKNOWN, REFUSES), True, 120, ()),
        # The first one with a new password.
        ((ESTRANGED, ESTRANGED), True, 3, ()),
        ((ESTRANGED, FOLLOWS), True, 0, ("b",)),
        # A node that stands alone.
        ((), True, 3, ()),
    ],
)
def test_start(peers: tuple[Standing, ...], has_data: bool, waited_s: float, donors: tuple[str, ...]) -> None:
    start = decide(dict(zip("ab", peers, strict=False)), has_data=has_data, waited_s=waited_s, wait_s=120)

    assert start
    assert start.donors == donors


@pytest.mark.parametrize(
    ("peers", "has_data", "waited_s"),
    [
        # Cut off: the peers may be well, and hold the deletions that this node does not know of.
        ((UNKNOWN, REFUSES), True, 119),
        ((UNKNOWN, UNKNOWN), True, 119),
        ((UNKNOWN, SERVES), True, 119),
        # The service managers of peers that ended a moment ago are about to start them again.
        ((REFUSES, REFUSES), True, 2.9),
        ((SERVES, STARTS), True, 2.9),
        ((UNKNOWN, REFUSES), False, 1),
    ],
)
def test_wait(peers: tuple[Standing, ...], has_data: bool, waited_s: float) -> None:
    assert decide(dict(zip("ab", peers, strict=True)), has_data=has_data, waited_s=waited_s, wait_s=120) is None


def test_the_reason_names_who_did_not_answer() -> None:
    start = decide({"a": UNKNOWN, "b": REFUSES}, has_data=True, waited_s=120, wait_s=120)

    assert start
    assert "own files: a did not answer for 120 seconds" in start.reason


def test_links() -> None:
    # As redis-py gives KeyDB's answer.
    links = Links.of(
        {
            "master_host": "10.77.0.11",
            "master_link_status": "up",
            "master_1_host": "10.77.0.12",
            "master_1_link_status": "down",
            "master_1_link_down_since_seconds": 7,
            "master_2_host": "10.77.0.13",
            "master_2_link_status": "down",
            "master_2_sync_in_progress": 1,
            "master_2_link_down_since_seconds": -1,
            "slave0": {"ip": "10.77.0.12", "state": "online"},
            "slave1": {"ip": "10.77.0.13", "state": "wait_bgsave"},
            "slave_repl_offset": 5,
        }
    )

    assert links == Links(
        up=frozenset({"10.77.0.11"}),
        copying=frozenset({"10.77.0.13"}),
        known=frozenset({"10.77.0.11", "10.77.0.12"}),
        followers=frozenset({"10.77.0.12"}),
    )


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text, "utf-8")


def read(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in directory.iterdir() if path.is_file()}


def test_files_are_kept_aside_until_the_next_time(tmp_path: Path) -> None:
    files = Dataset(tmp_path)
    for generation in ("first", "second"):
        write(tmp_path, dump_rdb=generation, appendonly_aof=generation)
        files.set_aside()
        assert not files.exists()
        files.finish()

    assert read(files.aside) == {"dump.rdb": "second", "appendonly.aof": "second"}
    assert not files.put_back()


def test_an_end_that_was_not_reached_puts_the_files_back(tmp_path: Path) -> None:
    files = Dataset(tmp_path)
    write(tmp_path, dump_rdb="own", other="other")
    files.set_aside()
    # Half of what the peers gave.
    write(tmp_path, dump_rdb="half", appendonly_aof="half")

    assert files.put_back()
    assert read(tmp_path) == {"dump.rdb": "own", "other": "other"}
    assert not files.aside.exists()


@pytest.mark.parametrize("broken_off", ["setting aside", "putting back"])
def test_moving_that_was_broken_off_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: str
) -> None:
    files = Dataset(tmp_path)
    write(tmp_path, dump_rdb="own", appendonly_aof="own")
    if broken_off == "putting back":
        files.set_aside()
        write(tmp_path, appendonly_aof="half")
    with monkeypatch.context() as patch:
        move = "rename" if broken_off == "setting aside" else "replace"
        moved = getattr(Path, move)

        def fail_at_the_second(self: Path, target: Path) -> Path:
            if self.name == "appendonly.aof":
                raise OSError("the power is cut")
            return Path(moved(self, target))

        patch.setattr(Path, move, fail_at_the_second)
        with pytest.raises(OSError, match="the power is cut"):
            files.set_aside() if broken_off == "setting aside" else files.put_back()

    assert files.put_back()
    assert read(tmp_path) == {"dump.rdb": "own", "appendonly.aof": "own"}


def test_an_empty_file_is_nothing_to_load(tmp_path: Path) -> None:
    write(tmp_path, appendonly_aof="")

    assert not Dataset(tmp_path).exists()
