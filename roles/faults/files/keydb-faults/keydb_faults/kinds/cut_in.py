"""A node hears nobody, and is heard."""

from __future__ import annotations

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.cut import BaseCut
from keydb_faults.kinds.kind import Part


class CutIn(BaseCut):
    """What it sends arrives, also the data of connections that are open; what answers is lost."""

    name = "cut_in"
    about = "one node hears nobody, though the others hear it"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any one node."""
        node = dice.pick(cluster.nodes)
        return [Part(node.name, self.name, {"from": cluster.addresses(cluster.others(node))})]
