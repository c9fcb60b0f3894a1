"""What a killed listener and a killed writer have in common."""

from __future__ import annotations

import signal
from typing import ClassVar

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind, NobodyError, Part


class BaseObserverKilled(Kind):
    """It is told the unit; the service manager starts it again."""

    observers: ClassVar[str]

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any one of them, wherever it is."""
        there = [
            (node.name, observer)
            for node in cluster.nodes
            for observer in node.observers
            if observer.startswith(self.observers)
        ]
        if not there:
            raise NobodyError(f"this inventory has no {self.observers}")
        name, observer = dice.pick(there)
        return [Part(name, self.name, {"unit": f"observer-{observer}.service"})]

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """The main process only, as the kernel would."""
        return host.kill(given["unit"], signal.SIGKILL)
