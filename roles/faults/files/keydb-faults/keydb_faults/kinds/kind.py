"""What every kind of fault has in common: to whom it happens, how it is done, and how it is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.host import Host

Given = Mapping[str, Any]
"""What a fault is told on a host, and what it keeps there to be undone; both go through JSON."""


class NobodyError(Exception):
    """No host of this inventory can have such a fault; the text says why."""


class NotPossibleError(Exception):
    """This host cannot have such a fault; the text says why. Nothing has been changed."""


@dataclass(frozen=True)
class Part:
    """What happens to one host."""

    host: str
    kind: str
    given: dict[str, Any] = field(default_factory=dict)


class Kind:
    """A kind of fault. ``draw`` runs on the controller and looks at nothing but its arguments; the rest on the host.

    ``takes_down``: the server of its hosts is away meanwhile. ``cuts_off``: it is there, but not for the others.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    takes_down: ClassVar[bool] = False
    cuts_off: ClassVar[bool] = False

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """To whom it happens: to any one node, unless a kind says otherwise. Raises NobodyError."""
        return [Part(dice.pick(cluster.nodes).name, self.name)]

    def why_not(self, host: Host) -> str:  # noqa: ARG002 - for those that ask
        """Why this host cannot have it; empty if it can. Changes nothing."""
        return ""

    def prepare(self, host: Host, given: Given) -> dict[str, Any]:  # noqa: ARG002 - as the base has it
        """What is needed to undo it, read before anything is changed. Raises NotPossibleError."""
        return {}

    def inject(self, host: Host, given: Given, kept: Given) -> str:
        """Do it. Returns a word on how, or nothing. Raises NotPossibleError, CommandError."""
        raise NotImplementedError

    def undo(self, host: Host, given: Given, kept: Given) -> None:
        """Undo it: also what was done in part, or not at all, or has been undone before."""
