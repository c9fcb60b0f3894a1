"""What travels through the engine: every message survives the way, and nothing that a stranger writes does harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keydb_observer.messages import (
    Counts,
    Distribution,
    Handshake,
    MalformedError,
    Mode,
    Report,
    SharedValue,
    WokenBy,
    handshake_key,
    keyspace_channel,
    report_key,
)

LARGEST = 2**63 - 1

positive = st.integers(1, LARGEST)
counts = st.integers(0, LARGEST)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
values = st.builds(
    SharedValue, names, positive, positive, positive, st.none() | counts, counts, st.text()
)  # fmt: skip
handshakes = st.builds(
    Handshake, names, names, st.text(), names, *[positive] * 5, held_ns=counts, woken_by=st.sampled_from(WokenBy)
)
optional = st.none() | st.integers(-LARGEST, LARGEST)
distributions = st.builds(Distribution, counts, *[optional] * 5)
reports = st.builds(
    Report,
    listener=names,
    host=names,
    node=st.text(),
    sent_ns=positive,
    counts=st.builds(Counts, *[counts] * 8),
    run=distributions,
    minute=distributions,
    reconnects=counts,
    resyncs=counts,
    error_ns=st.none() | counts,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

VALUE = SharedValue("node1", 1, 2, 3)
HANDSHAKE = Handshake("listener-sync", "node2", "shared_key", "node1", 1, 2, 3, 4, 6, 1, WokenBy.EVENT)
REPORT = Report(
    "listener-sync", "node2", "node3", 9, Counts(8), Distribution(7, 1, 2, 3, 4, 5), Distribution(), 6, 5, 4
)


@given(values | handshakes | reports)
def test_a_message_survives_the_way(message: SharedValue | Handshake | Report) -> None:
    encoded = message.encode()
    assert b"\n" not in encoded
    assert type(message).parse(encoded) == message
    assert type(message).parse(encoded.decode()) == message


def test_names_of_the_fields_are_an_interface() -> None:
    assert json.loads(VALUE.encode()) == {"writer": "node1", "epoch": 1, "seq": 2, "t1_ns": 3}
    full = SharedValue("node1", 1, 2, 3, 4, 5, "text")
    assert json.loads(full.encode()) == {
        "writer": "node1",
        "epoch": 1,
        "seq": 2,
        "t1_ns": 3,
        "error_ns": 4,
        "before": 5,
        "payload": "text",
    }
    assert json.loads(HANDSHAKE.encode()) == {
        "listener": "listener-sync",
        "host": "node2",
        "key": "shared_key",
        "writer": "node1",
        "epoch": 1,
        "seq": 2,
        "t1_ns": 3,
        "t2_ns": 4,
        "t3_ns": 6,
        "held_ns": 1,
        "woken_by": "event",
    }
    names = ("events", "read", "found", "superseded", "missed", "repeated", "reordered", "foreign")
    nothing = {"count": 0, "p50_ns": None, "p90_ns": None, "p99_ns": None, "p999_ns": None, "max_ns": None}
    assert json.loads(REPORT.encode()) == {
        "listener": "listener-sync",
        "host": "node2",
        "node": "node3",
        "sent_ns": 9,
        "counts": dict.fromkeys(names, 0) | {"events": 8},
        "run": {"count": 7, "p50_ns": 1, "p90_ns": 2, "p99_ns": 3, "p999_ns": 4, "max_ns": 5},
        "minute": nothing,
        "reconnects": 6,
        "resyncs": 5,
        "error_ns": 4,
    }


def test_names_of_the_keys_are_an_interface() -> None:
    assert handshake_key("node2", Mode.SYNC) == "handshake:node2:sync"
    assert handshake_key("node2", Mode.ASYNC, "a:b") == "handshake:node2:async:a:b"
    assert report_key("node2", Mode.ASYNC) == "observer:node2:async"
    assert keyspace_channel("shared_key") == "__keyspace@0__:shared_key"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "malformed"),
        (b"garbage", "malformed"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":1} x', "malformed"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"new":' + b"[" * 100_000, "."),
        (b"1" * 5000, "out of range"),
        (b"[]", "Expected `object`, got `array`"),
        (b"42", "Expected `object`, got `int`"),
        (b"{}", "missing required field `writer`"),
        (b'{"writer":1}', "Expected `str`, got `int`.*writer"),
        (b'{"writer":""}', "writer"),
        (rb'{"writer":"a\nb"}', "writer"),
        (rb'{"writer":"a\n"}', "writer"),
        ('{"writer":"é"}', "writer"),
        (b'{"writer":"a\xff"}', "utf-8"),
        ('{"writer":"\ud800"}', "utf-8"),
        (b'{"writer":"a"}', "missing required field `epoch`"),
        (b'{"writer":"a","epoch":1.0}', "Expected `int`, got `float`.*epoch"),
        (b'{"writer":"a","epoch":true}', "Expected `int`, got `bool`.*epoch"),
        (b'{"writer":"a","epoch":"1"}', "Expected `int`, got `str`.*epoch"),
        (b'{"writer":"a","epoch":1,"seq":0}', "Expected `int` >= 1.*seq"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":9223372036854775808}', "Expected `int` <= .*t1_ns"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":1e400}', "t1_ns"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":1,"error_ns":-1}', "Expected `int` >= 0.*error_ns"),
        (b'{"writer":"a","epoch":1,"seq":1,"t1_ns":1,"before":-1}', "Expected `int` >= 0.*before"),
    ],
)
def test_malformed_value_says_why(raw: bytes | str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason) as caught:
        SharedValue.parse(raw)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("message", "field"),
    [(message, field) for message in (HANDSHAKE, REPORT) for field in message.__struct_fields__],
)
def test_handshake_and_report_need_every_field(message: Handshake | Report, field: str) -> None:
    content: dict[str, Any] = json.loads(message.encode())
    del content[field]
    with pytest.raises(MalformedError, match=f"missing required field `{field}`"):
        type(message).parse(json.dumps(content))
    content[field] = []
    with pytest.raises(MalformedError, match=rf"Expected .*, got `array` - at `\$\.{field}`"):
        type(message).parse(json.dumps(content))


@pytest.mark.parametrize(
    ("message", "part", "field", "given"),
    [
        (HANDSHAKE, None, "woken_by", "alarm"),
        (HANDSHAKE, None, "held_ns", -1),
        (HANDSHAKE, None, "host", "a b"),
        (REPORT, None, "sent_ns", 0),
        (REPORT, None, "error_ns", -1),
        (REPORT, "counts", "missed", -1),
        (REPORT, "run", "p999_ns", 0.5),
        (REPORT, "minute", "count", None),
    ],
)
def test_fields_have_their_range(message: Handshake | Report, part: str | None, field: str, given: object) -> None:
    content = json.loads(message.encode())
    (content[part] if part else content)[field] = given
    with pytest.raises(MalformedError, match=rf"\.{field}`"):
        type(message).parse(json.dumps(content))


@pytest.mark.parametrize("parse", [SharedValue.parse, Handshake.parse, Report.parse])
@given(raw=st.binary() | st.text() | anything.map(json.dumps))
def test_parsing_whatever_there_is_raises_nothing_else(
    parse: Callable[[bytes | str], object], raw: bytes | str
) -> None:
    with pytest.raises(MalformedError):
        parse(raw)


@given(values | handshakes | reports, st.data())
def test_damage_is_noticed_or_harmless(message: SharedValue | Handshake | Report, data: st.DataObject) -> None:
    """A message with a byte of it changed parses to a message, or raises what it should."""
    encoded = bytearray(message.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = type(message).parse(bytes(encoded))
    except MalformedError:
        return
    assert type(message).parse(parsed.encode()) == parsed


def test_a_later_field_does_not_disturb() -> None:
    assert SharedValue.parse(b'{"writer":"a","epoch":1,"seq":2,"t1_ns":3,"new":4}') == SharedValue("a", 1, 2, 3)


def test_sums_of_counts() -> None:
    counts = Counts(events=9, read=5, found=1, superseded=3, missed=2, repeated=1, reordered=1, foreign=1)
    assert (counts.seen, counts.written) == (8, 10)
