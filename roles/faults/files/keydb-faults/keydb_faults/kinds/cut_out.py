"""A node hears the others, and is not heard."""

from __future__ import annotations

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.cut import BaseCut
from keydb_faults.kinds.kind import Part


class CutOut(BaseCut):
    """What the others send arrives, also the data of connections that are open; what answers is lost."""

    name = "cut_out"
    about = "nobody hears one node, though it hears the others"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any one node."""
        node = dice.pick(cluster.nodes)
        return [Part(node.name, self.name, {"to": cluster.addresses(cluster.others(node))})]
