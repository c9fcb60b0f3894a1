"""Which node to listen to: the first of the list whenever it can be had, the next ones while it is away."""

from __future__ import annotations

from collections.abc import Sequence

from keydb_observer.nodes import Node
from keydb_observer.trouble import Backoff

HOME_EVERY_S = 5.0
"""How long to wait before looking, once more, whether the first node is back."""


class Route:
    """Walks the list of nodes. The first one is home."""

    def __init__(self, nodes: Sequence[Node], backoff: Backoff) -> None:
        self._nodes = nodes
        self._backoff = backoff
        self._at = 0
        self._tried = 0

    @property
    def node(self) -> Node:
        """The node to try now, or the one that is listened to."""
        return self._nodes[self._at]

    @property
    def home(self) -> Node:
        """Where to be whenever it can be had."""
        return self._nodes[0]

    @property
    def is_home(self) -> bool:
        """Whether the node is the first one."""
        return self._at == 0

    def connected(self) -> None:
        """The node is well."""
        self._tried = 0
        self._backoff.succeeded()

    def came_home(self) -> None:
        """From here on it is the first node again."""
        self._at = self._tried = 0

    def lost(self) -> float:
        """A connection broke. The node may be well for all that, so it is tried again; in how many seconds."""
        return self._backoff.failed()

    def refused(self) -> float:
        """The node could not be had, so the next one is tried; in how many seconds.

        At once, unless all of them have been tried.
        """
        self._at = (self._at + 1) % len(self._nodes)
        self._tried += 1
        return self._backoff.failed() if self._tried % len(self._nodes) == 0 else 0.0
