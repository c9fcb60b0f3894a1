"""Packets of the cluster network do not get through: the basis of all cuts, and the one that cuts a node off."""

from __future__ import annotations

from collections.abc import Sequence

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind, Part

TABLE = "keydb_faults"
# Declared before it is deleted, so that it does not matter whether it is there.
_NO_TABLE = f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def rules(from_: Sequence[str], to: Sequence[str]) -> str:
    """A table of our own, as nft reads it, that drops what comes from and what goes to these addresses.

    A drop is final whatever other tables say, and nothing in them is touched.
    """
    chains = [
        f"  chain {hook} {{ type filter hook {hook} priority filter - 10; policy accept; "
        f"ip {field} {{ {', '.join(addresses)} }} drop; }}"
        for hook, field, addresses in (("input", "saddr", from_), ("output", "daddr", to))
        if addresses
    ]
    return _NO_TABLE + "\n".join([f"table inet {TABLE} {{", *chains, "}", ""])


class BaseCut(Kind):
    """A cut, told the addresses that nothing comes ``from`` and nothing goes ``to``."""

    cuts_off = True

    def why_not(self, host: Host) -> str:
        """The cluster's own firewall brings nft; a host may do without."""
        return "" if host.has("nft") else "nftables is not installed"

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """In one transaction."""
        host.run("nft", "--file", "-", told=rules(given.get("from", []), given.get("to", [])))
        return ""

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """With the table, all of it is gone."""
        host.run("nft", "--file", "-", told=_NO_TABLE)


class Cut(BaseCut):
    """Both directions."""

    name = "cut"
    about = "one node is cut off from all others, in both directions"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any one node."""
        node = dice.pick(cluster.nodes)
        others = cluster.addresses(cluster.others(node))
        return [Part(node.name, self.name, {"from": others, "to": others})]
