"""Two nodes do not hear each other; all others hear both."""

from __future__ import annotations

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.cut import BaseCut
from keydb_faults.kinds.kind import Part


class CutPair(BaseCut):
    """The cut is made on one of the two, which is enough."""

    name = "cut_pair"
    about = "one link between two nodes is cut, in both directions"
    # Nobody is cut off: each still hears the others.
    cuts_off = False

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any two nodes."""
        one, other = dice.shuffled(cluster.nodes)[:2]
        return [Part(one.name, self.name, {"from": [other.address], "to": [other.address]})]
