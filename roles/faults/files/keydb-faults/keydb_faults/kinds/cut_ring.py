"""Each node hears a majority, and no two hear the same one."""

from __future__ import annotations

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.cut import BaseCut
from keydb_faults.kinds.kind import NobodyError, Part


class CutRing(BaseCut):
    """Of three nodes each hears the next one only, so that over TCP, which needs answers, no link is left."""

    name = "cut_ring"
    about = "in a ring each node hears only as many of the next ones as make a majority; of three, no link is left"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """All nodes, in any order around the ring."""
        if not cluster.minority:
            raise NobodyError("two nodes make no ring")
        ring = dice.shuffled(cluster.nodes)
        heard = len(ring) // 2
        parts = []
        for place, node in enumerate(ring):
            unheard = [ring[(place + step) % len(ring)] for step in range(heard + 1, len(ring))]
            parts.append(Part(node.name, self.name, {"from": cluster.addresses(unheard)}))
        return parts
