"""The cluster falls apart in two."""

from __future__ import annotations

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.cut import BaseCut
from keydb_faults.kinds.kind import NobodyError, Part


class CutMinority(BaseCut):
    """The nodes of the minority hear each other. Of three or four nodes it is a single one."""

    name = "cut_minority"
    about = "as many nodes as are fewer than half are cut off from the rest, not from each other"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """The largest minority there is."""
        if not cluster.minority:
            raise NobodyError("of two nodes there is no minority")
        minority = dice.shuffled(cluster.nodes)[: cluster.minority]
        others = cluster.addresses(cluster.others(*minority))
        return [Part(node.name, self.name, {"from": others, "to": others}) for node in minority]
