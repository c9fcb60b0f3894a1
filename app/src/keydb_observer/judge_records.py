"""What others write down of a run. All times are Unix time in ns, by the clock of the host that wrote the line."""

from __future__ import annotations

from typing import Any

import msgspec

DONE = "done"
SERVER_UNIT = "keydb-server.service"


class Host(msgspec.Struct, frozen=True):
    """``roles`` are such as keydb, writer and listener-sync."""

    address: str = ""
    roles: list[str] = []

    def has(self, role: str) -> bool:
        """Whether one of its roles is called so, or begins so."""
        return any(each.replace("_", "-").removeprefix("observer-").startswith(role) for each in self.roles)


class RunFacts(msgspec.Struct, frozen=True):
    """``quiet_ns`` is when it was read what the nodes hold, after everything had come to rest."""

    seed: int
    engine: str
    engine_version: str
    hosts: dict[str, Host]
    begun_ns: int
    last_undone_ns: int
    quiet_ns: int
    inventory: str = ""
    settings: dict[str, Any] = {}


class Fault(msgspec.Struct, frozen=True):
    """``hosts`` have it; the server is meant to be away on those ``expected_down``. No times: it was not possible."""

    number: int
    kind: str
    hosts: list[str] = []
    begun_ns: int | None = None
    undone_ns: int | None = None
    expected_down: list[str] = []
    outcome: str = DONE

    @property
    def is_done(self) -> bool:
        """Whether it was injected, and undone."""
        return self.outcome == DONE

    @property
    def name(self) -> str:
        """As people call it."""
        return f"fault {self.number} ({self.kind} on {', '.join(self.hosts)})"


class Sample(msgspec.Struct, frozen=True):
    """How a node was. ``why`` it was not up is the kind of trouble."""

    at_ns: int
    up: bool
    loading: bool = False
    links_up: int = 0
    links: int = 0
    why: str = ""

    @property
    def serves(self) -> bool:
        """Whether it answers more than INFO."""
        return self.up and not self.loading

    @property
    def is_whole(self) -> bool:
        """Whether it serves and has all its links."""
        return self.serves and self.links_up >= self.links


class ServiceEvent(msgspec.Struct, frozen=True):
    """``what`` is started, stopped, died or failed."""

    at_ns: int
    unit: str
    what: str
    detail: str = ""


class Read(msgspec.Struct, frozen=True):
    """A listener has read this write."""

    at_ns: int
    listener: str
    epoch: int
    seq: int


class WriterAccount(msgspec.Struct, frozen=True):
    """One process of the writer: its epoch, and the number of its last write, which is how many it ``written``."""

    epoch: int
    written: int


class Write(msgspec.Struct, frozen=True):
    """A write by its number within its writer's epoch."""

    epoch: int
    seq: int


class ListenerAccount(msgspec.Struct, frozen=True):
    """One process of a listener, and what it says became of the writes from the ``first`` that it read to the ``last``.

    Without these two they are looked up in what it read from ``began_ns`` to ``ended_ns``.
    """

    listener: str
    read: int
    superseded: int
    missed: int
    began_ns: int = 0
    ended_ns: int | None = None
    first: Write | None = None
    last: Write | None = None

    @property
    def accounted(self) -> int:
        """Writes that it knows of."""
        return self.read + self.superseded + self.missed


class Accounts(msgspec.Struct, frozen=True):
    """Of one host, each process in the order in which they ran."""

    writers: list[WriterAccount] = []
    listeners: list[ListenerAccount] = []
