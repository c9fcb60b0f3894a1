"""What is taken from a host's journal, entry by entry."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from faults_fakes import fake_host
from keydb_faults.collecting import collect
from keydb_faults.journal import Told, following, kept

SYNC = {"OBSERVER_LISTENER": "listener-sync", "OBSERVER_WRITER": "node1", "OBSERVER_EPOCH": "5"}


def entry(message: str, second: int = 1, **more: Any) -> dict[str, Any]:
    return {"__REALTIME_TIMESTAMP": str(second * 10**6), "MESSAGE": message, **more}


def read(seq: int, process: str = "a", **more: Any) -> dict[str, Any]:
    message = f"listener-sync read shared_key: writer timestamp 17.5 seq {seq}, Time difference: 0.1 seconds"
    return entry(message, seq, **SYNC, OBSERVER_SEQ=str(seq), _SYSTEMD_INVOCATION_ID=process, **more)


def missed(count: int, seq: int, what: str = "missed", process: str = "a") -> dict[str, Any]:
    message = f"listener-sync {what} {count} of shared_key: seq 1 to {count}"
    fields = {"OBSERVER_SEQ": str(seq), f"OBSERVER_{what.upper()}": str(count), "_SYSTEMD_INVOCATION_ID": process}
    return entry(message, seq, **SYNC, **fields)


def told_of(*entries: dict[str, Any]) -> Told:
    told = Told()
    for each in entries:
        told.add(each)
    return told


@pytest.mark.parametrize(
    ("identity", "what"),
    [
        ("39f53479d3a045ac8e11786248231fbf", "started"),
        ("9d1aaa27d60140bd96365438aad20286", "stopped"),
        ("98e322203f7a4ed290d09fe03c09fe15", "died"),
        ("d9b373ed55a64feb8242e02dbe79a49c", "failed"),
    ],
)
def test_services_come_and_go(identity: str, what: str) -> None:
    told = told_of(entry("It did.", 3, MESSAGE_ID=identity, UNIT="keydb-server.service"))
    expected = {"at_ns": 3 * 10**9, "unit": "keydb-server.service", "what": what, "detail": "It did."}
    assert told.services == [expected]


def test_a_listener_accounts_for_all_from_its_first_reading_on() -> None:
    told = told_of(missed(3, 4, "superseded"), read(4), read(5), missed(2, 8), missed(1, 10, "superseded"), read(8))
    assert told.accounts()["listeners"] == [
        {
            "listener": "listener-sync",
            "began_ns": 4 * 10**9,
            "read": 3,
            "superseded": 1,
            "missed": 2,
            "ended_ns": 8 * 10**9,
            "first": {"epoch": 5, "seq": 4},
            "last": {"epoch": 5, "seq": 8},
        }
    ]
    assert [each["seq"] for each in told.reads] == [4, 5, 8]
    assert told.reads[0] == {"at_ns": 4 * 10**9, "listener": "listener-sync", "epoch": 5, "seq": 4}


def test_each_process_has_an_account_of_its_own() -> None:
    told = told_of(read(1, "a"), read(2, "b"), read(3, "b"))
    assert [account["read"] for account in told.accounts()["listeners"]] == [1, 2]


def test_what_is_no_reading_is_none() -> None:
    told = told_of(
        entry("listener-sync read shared_key seq 4 repeated", **SYNC, OBSERVER_SEQ="4"),
        entry("listener-sync follows a new epoch of shared_key: writer node1", **SYNC, OBSERVER_SEQ="4"),
        # The sum of what was told line by line before.
        entry("listener-sync was blind for 1 seconds", OBSERVER_LISTENER="listener-sync", OBSERVER_MISSED="3"),
        entry("Some line of the server's own"),
    )
    assert told.reads == []
    assert told.accounts() == {"writers": [], "listeners": []}


def test_found_upon_subscribing_is_read() -> None:
    found = read(4) | {"MESSAGE": "listener-sync found on subscribing shared_key: writer timestamp 17.5 seq 4, written"}
    assert len(told_of(found).reads) == 1


def test_a_writer_has_written_up_to_its_last_number() -> None:
    writes = [
        entry(
            "writer wrote shared_key: timestamp 1.5 seq 7", OBSERVER_WRITER="n", OBSERVER_EPOCH=epoch, OBSERVER_SEQ=seq
        )
        for epoch, seq in (("5", "7"), ("5", "8"), ("9", "1"))
    ]
    answer = entry("writer saw listener-sync on n answer seq 9", OBSERVER_WRITER="n", OBSERVER_SEQ="9")
    assert told_of(*writes, answer).accounts()["writers"] == [{"epoch": 5, "written": 8}, {"epoch": 9, "written": 1}]


def test_what_is_kept_outlives_a_reboot_and_a_second_start(tmp_path: Path) -> None:
    """Each entry counts once, whoever printed it; what was before the run, and what was cut off, does not."""
    lines = [json.dumps(read(seq, __CURSOR=f"c{seq}")) for seq in (1, 2, 3)]
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join([*lines[:2], lines[2][:40], *lines, ""]), encoding="utf-8")
    assert [entry["__CURSOR"] for entry in kept(path, since_ns=2 * 10**9)] == ["c2", "c3"]


def test_following_is_of_our_units_only() -> None:
    command = following(["keydb-server.service", "observer-writer.service"])
    assert command[-2:] == ["--unit=keydb-server.service", "--unit=observer-writer.service"]
    assert "--follow" in command
    assert "--boot" in command


def test_all_that_is_left_comes_in_one_file(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    host.journal.write_text(json.dumps(read(4, __CURSOR="c")) + "\n", encoding="utf-8")
    host.samples.write_text("{}\n", encoding="utf-8")
    told = collect(host, since_ns=0)
    with tarfile.open(told["path"]) as archive:
        assert archive.getnames() == [
            "samples/node1.jsonl",
            "services/node1.jsonl",
            "reads/node1.jsonl",
            "accounts/node1.json",
        ]
        accounts = archive.extractfile("accounts/node1.json")
        assert accounts
        assert json.load(accounts)["listeners"][0]["read"] == 1
