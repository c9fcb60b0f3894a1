#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: knock, in the clear, at every TCP port that this host listens at on one of its addresses."""

from __future__ import annotations

import contextlib
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: capture_ports
short_description: What each listening port of this host says to a PING in the clear
description:
  - Finds the ports in /proc, connects to each from this host itself, sends one line and waits for the answer. Over the
    loopback interface, so that a capture of the network sees nothing of it.
options:
  address: {type: str, required: true, description: IPv4 address of this host.}
  skip: {type: list, elements: int, default: [], description: Ports to leave alone.}
  timeout: {type: float, default: 1, description: Seconds to wait for each connection and for each answer.}
"""

RETURN = r"""
listeners:
  {type: list, returned: always, description: "For each port: port, program, and answer as hexadecimal digits."}
"""

PROC = Path("/proc")
LISTENING = "0A"
QUESTION = b"PING\r\n"
ANSWER_BYTES = 128
AT_A_TIME = 16
IPV4_BYTES = 4


@dataclass(frozen=True)
class Listening:
    """A socket that waits for connections."""

    port: int
    inode: str


def local_address(word: str) -> tuple[str, int]:
    """Address and port of a word of /proc/net/tcp or tcp6; any address as an empty text.

    The kernel prints each 32 bits of an address as this machine's number.
    """
    digits, _, port = word.partition(":")
    raw = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    if not any(raw):
        return "", int(port, 16)
    family = socket.AF_INET if len(raw) == IPV4_BYTES else socket.AF_INET6
    return socket.inet_ntop(family, raw).removeprefix("::ffff:"), int(port, 16)


def listening(address: str, proc: Path = PROC) -> list[Listening]:
    """Sockets that can be connected to at this address, by port; one for each port."""
    found: dict[int, Listening] = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                words = line.split()
                where, port = local_address(words[1])
                if words[3] == LISTENING and where in ("", address):
                    found.setdefault(port, Listening(port, words[9]))
    return [found[port] for port in sorted(found)]


def programs(inodes: set[str], proc: Path = PROC) -> dict[str, str]:
    """Name of the program that has each of these sockets, as far as it can be seen."""
    found: dict[str, str] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    inode = str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")
                    if inode in inodes and inode not in found:
                        found[inode] = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return found


def knock(address: str, port: int, timeout: float) -> bytes:
    """What a port answers, the beginning of it; nothing where it does not."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(QUESTION)
        return connection.recv(ANSWER_BYTES)
    return b""


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "skip": {"type": "list", "elements": "int", "default": []},
            "timeout": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    found = [each for each in listening(params["address"]) if each.port not in params["skip"]]
    names = programs({each.inode for each in found})
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        answers = pool.map(lambda each: knock(params["address"], each.port, params["timeout"]), found)
    module.exit_json(
        changed=False,
        listeners=[
            {"port": each.port, "program": names.get(each.inode, ""), "answer": answer.hex()}
            for each, answer in zip(found, answers, strict=True)
        ],
    )


if __name__ == "__main__":
    main()
