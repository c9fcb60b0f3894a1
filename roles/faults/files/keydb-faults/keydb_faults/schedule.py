"""Which fault comes when, and to whom. It follows from the seed, the kinds and the inventory, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.kind import Kind, NobodyError, Part


@dataclass(frozen=True)
class Fault:
    """A fault with a number, from 1 on. ``nobody`` says why it can happen to nobody in this inventory."""

    number: int
    kind: str
    parts: tuple[Part, ...] = ()
    nobody: str = ""

    @property
    def hosts(self) -> list[str]:
        """To whom it happens, each once."""
        return list(dict.fromkeys(part.host for part in self.parts))

    def parts_of(self, host: str) -> list[Part]:
        """What happens to this host."""
        return [part for part in self.parts if part.host == host]

    def expected_down(self, kinds: Mapping[str, Kind]) -> list[str]:
        """Hosts whose server is meant to be away; ``kinds`` by name."""
        return list(dict.fromkeys(part.host for part in self.parts if kinds[part.kind].takes_down))

    def parameters(self) -> dict[str, Any]:
        """What it is given besides its hosts, for the record."""
        if len(self.parts) == 1:
            return dict(self.parts[0].given)
        return {
            part.host: {**({} if part.kind == self.kind else {"kind": part.kind}), **part.given} for part in self.parts
        }


def faults(seed: int, kinds: Sequence[Kind], cluster: Cluster) -> Iterator[Fault]:
    """Faults without end, in rounds in which each of the kinds comes once, so that they are spread evenly."""
    dice = Dice(seed)
    number = 0
    while True:
        for kind in dice.shuffled(kinds):
            number += 1
            try:
                yield Fault(number, kind.name, tuple(kind.draw(dice, cluster)))
            except NobodyError as error:
                yield Fault(number, kind.name, nobody=str(error))
