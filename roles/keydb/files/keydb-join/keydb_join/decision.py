"""How a node is to start, by what its peers are to it. Pure: time and answers are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keydb_join.nodes import Standing

_SETTLED_S = 3.0
"""A peer that is started by its service manager again, or that boots at the same time, is there by then."""


@dataclass(frozen=True)
class Start:
    """How to start. ``donors`` are the peers to take everything from; none: from the files that are there."""

    donors: tuple[str, ...]
    reason: str


def decide(standings: Mapping[str, Standing], *, has_data: bool, waited_s: float, wait_s: float) -> Start | None:
    """How to start, or None: ask again in a moment.

    Args:
        standings: What each peer is to this node, by name.
        has_data: Whether this node has files of its own.
        waited_s: Seconds since it was asked first.
        wait_s: Seconds to wait at most for peers of which nothing is known.
    """
    # Whoever has nothing can lose nothing: any peer will do. Otherwise only one that has heard of all that this node
    # ever acknowledged.
    good = {Standing.FOLLOWS} if has_data else {Standing.FOLLOWS, Standing.SERVES}
    donors = tuple(name for name, standing in standings.items() if standing in good)
    if donors:
        return Start(donors, "takes everything from " + ", ".join(donors))
    unknown = [name for name, standing in standings.items() if standing is Standing.UNKNOWN]
    if unknown and waited_s < wait_s:
        return None
    if unknown:
        return Start((), f"starts from its own files: {', '.join(unknown)} did not answer for {waited_s:.0f} seconds")
    if not has_data:
        return Start((), "starts with nothing: it has no files, and no peer serves")
    if waited_s < min(_SETTLED_S, wait_s):
        return None
    return Start((), "starts from its own files: no peer has followed it since it was started itself")
