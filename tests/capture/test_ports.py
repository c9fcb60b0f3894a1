"""Which ports listen at an address, and what they say to a PING in the clear."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from app_certificates import Certificates
from app_harness import Server
from capture_ports import knock, listening, local_address, programs
from capture_wire import answering
from keydb_capture.resp import is_resp


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="written down on a little-endian machine")
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("0100007F:18EB", ("127.0.0.1", 6379)),
        ("00000000:0016", ("", 22)),
        ("0B007B0A:258B", ("10.123.0.11", 9611)),
        ("00000000000000000000000000000000:1F90", ("", 8080)),
        ("0000000000000000FFFF00000B007B0A:1F90", ("10.123.0.11", 8080)),
        ("00000000000000000000000001000000:1F90", ("::1", 8080)),
    ],
)
def test_addresses_as_the_kernel_prints_them(word: str, expected: tuple[str, int]) -> None:
    assert local_address(word) == expected


def test_a_plaintext_server_gives_itself_away(tmp_path: Path) -> None:
    server = Server("redis", tmp_path)
    server.start()
    try:
        (found,) = [each for each in listening("127.0.0.1") if each.port == server.port]
        assert programs({found.inode})[found.inode] == "redis-server"
        assert is_resp(knock("127.0.0.1", server.port, 5.0))
    finally:
        server.kill()


def test_a_tls_server_does_not(tmp_path: Path, certificates: Certificates) -> None:
    server = Server("redis", tmp_path, certificates=certificates)
    server.start()
    try:
        assert server.port in [each.port for each in listening("127.0.0.1")]
        assert not is_resp(knock("127.0.0.1", server.port, 5.0))
    finally:
        server.kill()


@pytest.mark.parametrize("bound_to", ["", "::"])
def test_what_listens_everywhere_listens_here(bound_to: str) -> None:
    family = socket.AF_INET6 if bound_to else socket.AF_INET
    with socket.create_server((bound_to, 0), family=family) as server:
        assert server.getsockname()[1] in [each.port for each in listening("127.0.0.1")]


def test_what_listens_elsewhere_does_not() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        assert server.getsockname()[1] not in [each.port for each in listening("127.0.0.1")]


def test_who_says_nothing_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert knock("127.0.0.1", server.getsockname()[1], 0.2) == b""
    with answering(b"220 mail\r\n") as port:
        assert knock("127.0.0.1", port, 5.0) == b"220 mail\r\n"
    assert knock("127.0.0.1", port, 0.2) == b"", "and nobody is there any more"
