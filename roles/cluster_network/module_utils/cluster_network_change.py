# SPDX-License-Identifier: MIT
"""A change of a host's network that the host takes back by itself unless it is confirmed.

The module ``cluster_network`` writes a change down and arms a timer before anything is touched; this file then runs on
the host by itself, with Python's standard library only: ``apply`` a moment later, ``undo`` when the time is over and
nobody has confirmed. The timer is on disk and starts anew at boot, so that switching the host off and on is no way to
keep a change that cut it off.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/keydb-cluster-network")
PROGRAM = Path("/usr/local/libexec/keydb-cluster-network")
UNITS = Path("/etc/systemd/system")
UNDO = "keydb-cluster-network-undo"
APPLY = "keydb-cluster-network-apply"

# A change goes from file to file. Each step is a rename, so that of confirming and undoing only one can win.
PENDING, APPLIED, CONFIRMED = "change.json", "applied", "confirmed.json"
UNDOING, UNDONE = "undoing.json", "undone.json"

_COMMAND_WITHIN_S = 20
_SETTLED_AFTER_S = 5


@dataclass(frozen=True)
class Live:
    """What an interface is now: IPv4 addresses with prefix, MTU in bytes, whether it is up, routes as ip shows them."""

    addresses: tuple[str, ...] = ()
    mtu: int = 0
    up: bool = False
    routes: tuple[str, ...] = ()


@dataclass
class Change:
    """What is to be done, and what to return to.

    ``leave`` runs while the files are still the old ones, and in an undo while they are still the new ones; ``enter``
    and ``return_`` run after the files have changed. A file without content is one that is not there. A command that
    fails is told in the journal, no more: what counts is what the interface is afterwards.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    previous: list[dict[str, Any]] = field(default_factory=list)
    leave: list[list[str]] = field(default_factory=list)
    enter: list[list[str]] = field(default_factory=list)
    return_: list[list[str]] = field(default_factory=list)
    live: dict[str, Live] = field(default_factory=dict)

    def text(self) -> str:
        """The change as JSON."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_text(cls, text: str) -> Change:
        """A change as it was written down."""
        given = json.loads(text)
        given["live"] = {
            name: Live(tuple(live["addresses"]), live["mtu"], up=live["up"], routes=tuple(live["routes"]))
            for name, live in given["live"].items()
        }
        return cls(**given)


def run(*command: str) -> str:
    """Run a command, tell the journal what it does, and return its output; a failure is told, never raised."""
    print("+", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=_COMMAND_WITHIN_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr, flush=True)
        return ""
    return done.stdout


def parsed_live(addresses: str, routes: str) -> Live | None:
    """What ``ip -json address show dev`` and ``ip -4 route show dev`` say; None without such an interface."""
    found = [entry for entry in json.loads(addresses or "[]") if entry.get("ifname")]
    if not found:
        return None
    return Live(
        addresses=tuple(
            f"{address['local']}/{address['prefixlen']}"
            for address in found[0].get("addr_info", [])
            if address["family"] == "inet"
        ),
        mtu=found[0]["mtu"],
        up="UP" in found[0]["flags"],
        # Routes of the kernel's own come and go with the addresses.
        routes=tuple(
            " ".join(word for word in line.split() if word != "linkdown")
            for line in routes.splitlines()
            if line.strip() and "proto kernel" not in line
        ),
    )


def live_of(interface: str) -> Live | None:
    """What the interface is now; None if there is none of this name."""
    if not Path("/sys/class/net", interface).exists():
        return None
    address = ["ip", "-json", "address", "show", "dev", interface]
    route = ["ip", "-4", "route", "show", "dev", interface]
    told = [subprocess.run(command, capture_output=True, text=True, check=False).stdout for command in (address, route)]
    return parsed_live(*told)


def way_back(interface: str, now: Live, before: Live) -> list[list[str]]:
    """Commands that make an interface what it was, whoever gave it its addresses then."""
    commands = [
        ["ip", "address", "delete", address, "dev", interface]
        for address in now.addresses
        if address not in before.addresses
    ]
    if now.mtu != before.mtu:
        commands.append(["ip", "link", "set", "dev", interface, "mtu", str(before.mtu)])
    if before.up and not now.up:
        commands.append(["ip", "link", "set", "dev", interface, "up"])
    commands += [
        ["ip", "address", "add", address, "broadcast", "+", "dev", interface]
        for address in before.addresses
        if address not in now.addresses
    ]
    commands += [
        ["ip", "-4", "route", "replace", *route.split(), "dev", interface]
        for route in before.routes
        if route not in now.routes
    ]
    if now.up and not before.up:
        commands.append(["ip", "link", "set", "dev", interface, "down"])
    return commands


def write(file: dict[str, Any]) -> None:
    """Bring a file into its state: what it says and who may read it, or that it is not there."""
    path = Path(file["path"])
    if file["content"] is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(file["content"], encoding="utf-8")
    new.chmod(int(file["mode"], 8))
    new.replace(path)


def apply(state: Path = STATE) -> None:
    """Do what the pending change says."""
    change = Change.from_text((state / PENDING).read_text(encoding="utf-8"))
    for command in change.leave:
        run(*command)
    for file in change.files:
        write(file)
    for command in change.enter:
        run(*command)
    # Only who has heard this from the host after the change can confirm it: a connection of before, on which a command
    # was still under way when it was cut, cannot.
    (state / APPLIED).write_text(secrets.token_hex(8), encoding="utf-8")


def undo(state: Path = STATE) -> None:
    """Return to what was before the change; nothing is done if it has been confirmed meanwhile."""
    try:
        # One that a reboot interrupted is resumed.
        if not (state / UNDOING).exists():
            (state / PENDING).rename(state / UNDOING)
    except FileNotFoundError:
        disarm()
        return
    run("systemctl", "stop", f"{APPLY}.timer", f"{APPLY}.service")
    change = Change.from_text((state / UNDOING).read_text(encoding="utf-8"))
    for command in change.leave:
        run(*command)
    for file in change.previous:
        write(file)
    # The addresses first, whatever the manager takes its time for; then again and again while it may still take away
    # what it does not know.
    _force(change)
    for command in change.return_:
        run(*command)
    until = time.monotonic() + _SETTLED_AFTER_S
    while time.monotonic() < until:
        _force(change)
        time.sleep(0.5)
    (state / UNDOING).rename(state / UNDONE)
    disarm()


def _force(change: Change) -> None:
    for interface, before in change.live.items():
        # Taking away an address takes others of its network along: what that did is seen at a second look.
        for _ in range(2):
            now = live_of(interface)
            for command in way_back(interface, now, before) if now else []:
                run(*command)


def disarm() -> None:
    """Stop the timer and remove what was brought for this change."""
    run("systemctl", "disable", "--now", f"{UNDO}.timer")
    for path in (UNITS / f"{UNDO}.timer", UNITS / f"{UNDO}.service", PROGRAM):
        path.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


if __name__ == "__main__":
    {"apply": apply, "undo": undo}[sys.argv[1]]()
