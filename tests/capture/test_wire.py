"""Real captures of loopback: only TLS holds, and whatever else is spoken there is named."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from app_harness import Server
from capture_wire import MARKER, Wire, answering, say
from keydb_capture.packets import CaptureError, read

HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def with_tls(wire: Wire, *ports: int, writes: int = 50) -> None:
    """Starts a capture in which the engine is spoken to as it should be."""
    wire.start(*ports)
    wire.write(wire.server.admin(), writes)


def test_only_tls_holds(wire: Wire) -> None:
    with_tls(wire)
    wire.stop()
    result = wire.judge("holds")
    assert result["plaintext"] == []
    assert result["problems"] == []
    (tls,) = result["tls"]
    assert tls["version"] == "TLS 1.3"
    assert tls["cipher"].startswith("TLS_")
    assert tls["connections"] == 1
    node = result["nodes"]["here"]
    assert (node["connections"], node["connections_tls"], node["connections_from_before"]) == (1, 1, 0)
    (pair,) = result["pairs"]
    assert (pair["from"], pair["to"]) == ("here", "here")
    # A busy machine may hold an acknowledgement back for so long that something is sent again.
    assert pair["retransmissions"] < 5
    assert pair["bytes"] == node["bytes"]
    assert pair["initial_rtt"]["count"] == 1
    assert 0 < pair["initial_rtt"]["median_ms"] < 1000
    assert pair["ack_rtt"]["count"] > 50
    # A command and its answer, as records of TLS in segments of TCP, and the acknowledgements.
    assert 200 < result["bytes_per_write"] < 1500
    assert 2 <= result["segments_per_write"] < 10
    assert result["bytes_per_write"] == pytest.approx(pair["bytes"] / 50, rel=0.1)
    assert "TLS 1.3, " in result["table"]
    assert "It holds" in result["table"]


def test_a_plaintext_port_of_another_server(wire: Wire, tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    directory.mkdir()
    plain = Server("redis", directory)
    plain.start()
    try:
        with_tls(wire, plain.port)
        plain.admin().set("key", "value")
        wire.stop()
    finally:
        plain.kill()
    result = wire.judge("does not hold")
    (found,) = result["plaintext"]
    assert (found["host"], found["port"], found["what"]) == ("here", plain.port, "RESP in the clear")
    assert found["bytes"] > 30
    assert found["sample"].startswith("*")
    assert found["seen_by"] == ["here"]
    assert all(peer.startswith("here:") for peer in found["peers"])
    assert f"here:{plain.port}: RESP in the clear, {found['bytes']} bytes: *" in result["table"]


def test_a_password_in_the_clear_is_not_shown_once_more(wire: Wire) -> None:
    with answering(b"+OK\r\n") as port:
        with_tls(wire, port)
        say(port, b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n")
        wire.stop()
    result = wire.judge("does not hold")
    assert result["plaintext"][0]["sample"] == r"*2\r\n$4\r\nAUTH..."
    assert "secret" not in str(result)


def test_bytes_are_those_of_all_connections_together(wire: Wire) -> None:
    question, answer = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"
    with answering(answer) as port:
        with_tls(wire, port)
        for _ in range(3):
            say(port, question)
        wire.stop()
    (found,) = wire.judge("does not hold")["plaintext"]
    assert found["bytes"] == 3 * len(question + answer)
    assert len(found["peers"]) == 3


@pytest.mark.parametrize(
    ("question", "answer", "what"),
    [
        (b"PING\r\n", b"+PONG\r\n", "RESP in the clear"),
        (b"set a b\n", b"+OK\r\n", "RESP in the clear"),
        (b"x" * 100 + b"*1\r\n$4\r\nPING\r\n", b"", "RESP in the clear"),
        (b"\x00\x01\x02\x03" * 50, b"-NOAUTH Authentication required.\r\n", "RESP in the clear"),
        (b"who are you?\n", b"nobody\n", "not TLS"),
        (bytes(range(256)), b"", "not TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", HTTP, "HTTP in the clear"),
        (b"\x00" * 9 + MARKER.encode() + b"\x00", b"", "the value that was written, in the clear"),
    ],
)
def test_whatever_is_not_tls_is_named(wire: Wire, question: bytes, answer: bytes, what: str) -> None:
    with answering(answer) as port:
        with_tls(wire, port)
        say(port, question)
        wire.stop()
    result = wire.judge("does not hold")
    assert [(found["port"], found["what"]) for found in result["plaintext"]] == [(port, what)]
    assert any(f"here:{port}: {what}" in problem for problem in result["problems"])


@pytest.mark.parametrize(
    ("question", "verdict"), [(b"GET /metrics HTTP/1.1\r\n\r\n", "holds"), (b"PING\r\n", "does not hold")]
)
def test_metrics_are_exempt_but_resp_is_not_even_there(wire: Wire, question: bytes, verdict: str) -> None:
    with answering(HTTP) as port:
        wire.exempt = [{"port": port, "what": "metrics"}]
        with_tls(wire, port)
        say(port, question)
        wire.stop()
    result = wire.judge(verdict)
    exempt = [(each["port"], each["what"], each["connections"]) for each in result["exempt"]]
    assert exempt == ([(port, "metrics", 1)] if verdict == "holds" else [])


def test_plaintext_at_the_port_of_the_engine(wire: Wire) -> None:
    with_tls(wire)
    # It is refused, but it was on the wire.
    with contextlib.suppress(ConnectionResetError):
        say(wire.server.port, b"*1\r\n$4\r\nPING\r\n")
    wire.stop()
    result = wire.judge("does not hold")
    assert [(found["port"], found["what"]) for found in result["plaintext"]] == [
        (wire.server.port, "RESP in the clear")
    ]


def test_a_port_that_answers_though_nobody_speaks_with_it(wire: Wire) -> None:
    wire.listeners = [
        {"port": 7777, "program": "valkey-server", "answer": b"-DENIED Valkey is running".hex()},
        {"port": wire.server.port, "program": "keydb-server", "answer": "15030100020246"},
        {"port": 8888, "program": "other", "answer": ""},
    ]
    with_tls(wire)
    wire.stop()
    result = wire.judge("does not hold")
    assert [(found["port"], found["what"]) for found in result["plaintext"]] == [
        (7777, "valkey-server answers a PING in the clear")
    ]


def test_a_connection_from_before_is_tls_but_tells_no_version(wire: Wire) -> None:
    client = wire.server.admin()
    client.ping()
    wire.start()
    wire.write(client, 50)
    wire.stop()
    result = wire.judge("does not hold")
    assert result["problems"] == ["no handshake was seen, so neither TLS version nor cipher is known"]
    assert result["nodes"]["here"]["connections_from_before"] == 1
    assert result["nodes"]["here"]["connections_tls"] == 1
    assert result["tls"] == []


@pytest.mark.parametrize("size", [100, 100_000, 1_000_000])
def test_values_of_any_size_from_the_middle_of_a_connection(wire: Wire, size: int) -> None:
    client = wire.server.admin()
    client.ping()
    wire.start()
    client.set("key", "v" * size)
    assert len(client.get("key")) == size
    wire.write(wire.server.admin(), 5)
    wire.stop()
    assert wire.judge("holds")["nodes"]["here"]["connections_tls"] == 2


@pytest.mark.parametrize("share", [0.35, 0.6, 0.999])
def test_a_file_that_breaks_off_is_judged_as_far_as_it_goes(wire: Wire, share: float) -> None:
    with_tls(wire)
    wire.stop()
    whole = wire.pcap.read_bytes()
    wire.pcap.write_bytes(whole[: int(len(whole) * share)])
    result = wire.judge("holds")
    assert 0 < result["nodes"]["here"]["segments"] < wire.pcap.stat().st_size


def test_a_capture_that_ended_early_says_nothing_per_write(wire: Wire) -> None:
    with_tls(wire)
    wire.stop()
    wire.traffic["ended_ns"] += 10_000_000_000
    result = wire.judge("holds")
    assert (result["bytes_per_write"], result["segments_per_write"]) == (None, None)
    assert any("s before the writes did" in mark for mark in result["marks"])
    assert "note: here: it ended 10 s before" in result["table"]


@pytest.mark.parametrize("unseen", [1, 2])
def test_what_nobody_saw_is_not_divided_by_the_writes(wire: Wire, unseen: int) -> None:
    wire.others = {f"other{number}": f"127.0.1.{number}" for number in range(unseen)}
    with_tls(wire)
    wire.stop()
    result = wire.judge("holds")
    assert result["not_captured"][1:] == [f"{name}'s interface" for name in wire.others]
    assert (result["bytes_per_write"] is None) == (unseen > 1)
    assert bool(result["marks"]) == (unseen > 1)


def test_nothing_on_the_wire_shows_nothing(wire: Wire) -> None:
    wire.start()
    wire.stop()
    result = wire.judge("does not hold")
    assert any("no TLS at port" in problem for problem in result["problems"])
    assert any("nothing was written meanwhile" in problem for problem in result["problems"])


def test_what_is_no_capture(tmp_path: Path, wire: Wire) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage" * 100)
    with pytest.raises(CaptureError, match="garbage"):
        list(read(tmp_path / "garbage", [wire.server.port]))


@contextmanager
def losing(port: int) -> Iterator[None]:
    """Loses every fifth segment with data that is on its way to this port, after it was captured."""
    table = f"keydb_capture_test_{port}"
    rules = f"""
        table inet {table} {{
            chain input {{
                type filter hook input priority filter; policy accept;
                tcp dport {port} meta length > 100 numgen inc mod 5 == 4 drop
            }}
        }}"""
    made = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no leave to lose packets: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


def test_what_is_sent_again_is_counted(wire: Wire) -> None:
    client = wire.server.admin()
    client.ping()
    wire.start()
    with losing(wire.server.port):
        began = time.monotonic()
        wire.write(client, 10)
        lost = time.monotonic() - began
    wire.server.admin().ping()
    wire.stop()
    result = wire.judge("holds")
    # Two of ten, and what was lost of those that were sent again.
    assert lost > 0.4, "it waits for an acknowledgement before it sends again"
    assert result["retransmissions"] >= 2
    assert sum(pair["retransmissions"] for pair in result["pairs"]) == result["retransmissions"]
