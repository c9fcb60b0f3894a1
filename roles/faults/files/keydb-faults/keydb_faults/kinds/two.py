"""Two faults at the same time, of two kinds, on two nodes."""

from __future__ import annotations

from collections.abc import Sequence

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.kinds.kind import Kind, NobodyError, Part


class Two(Kind):
    """Drawn as a pair of which never more are away than are fewer than half of the nodes."""

    name = "two"
    about = "two of the others at once, on two nodes, with most nodes still there"

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """The first pair, of all in a random order, that will do."""
        kinds = dice.shuffled(list(self._kinds.values()))
        for one in kinds:
            for other in kinds:
                parts = self._drawn(dice, cluster, one, other)
                if one is not other and self._will_do(parts, cluster):
                    return parts
        raise NobodyError("no two faults at once would leave most nodes there")

    def _drawn(self, dice: Dice, cluster: Cluster, *kinds: Kind) -> list[Part]:
        try:
            return [part for kind in kinds for part in kind.draw(dice, cluster)]
        except NobodyError:
            return []

    def _will_do(self, parts: Sequence[Part], cluster: Cluster) -> bool:
        hosts = [part.host for part in parts]
        away = [part for part in parts if self._kinds[part.kind].takes_down or self._kinds[part.kind].cuts_off]
        return len(hosts) == len(set(hosts)) > 1 and len(away) <= cluster.minority
