"""All nodes of an audit or a repair, connected, and what is asked of them together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from keydb_observer.audit_reading import State, states_at
from keydb_observer.node_facts import parse_info
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.stream import Command, or_raise
from keydb_observer.trouble import diagnose
from keydb_observer.wire import AsyncLink

States = tuple[State | None, ...]
"""Of one key, by node in the order of the settings; None where it changed while it was read."""


class CannotAuditError(Exception):
    """A node could not be asked, or not to the end. The text names it and says why."""


class Nodes:
    """The nodes by their places in the settings. Whatever goes wrong with one raises CannotAuditError with its name."""

    def __init__(self, links: Sequence[AsyncLink]) -> None:
        self._links = links
        self.nodes: tuple[Node, ...] = tuple(link.node for link in links)
        self.places = range(len(links))

    async def ask(self, place: int, commands: Iterable[Command]) -> list[Any]:
        """One node's replies, in one round trip. An error that the server answers with is an element."""
        async with _naming(self.nodes[place]):
            return await self._links[place].ask_all(commands)

    async def call(self, place: int, commands: Iterable[Command]) -> list[Any]:
        """The same, but an error that the server answers with raises."""
        async with _naming(self.nodes[place]):
            return [or_raise(reply) for reply in await self._links[place].ask_all(commands)]

    async def call_all(self, commands: Sequence[Command]) -> list[list[Any]]:
        """All nodes' replies to the same commands, by place."""
        return await asyncio.gather(*(self.call(place, commands) for place in self.places))

    async def look(self, keys: Sequence[bytes]) -> list[States]:
        """The states of each key, by node."""
        if not keys:
            return []
        by_node = await asyncio.gather(*(self.look_at(place, keys) for place in self.places))
        return list(zip(*by_node, strict=True))

    async def look_at(self, place: int, keys: Sequence[bytes]) -> list[State | None]:
        """The state of each key at one node."""
        async with _naming(self.nodes[place]):
            return await states_at(self._links[place], keys)

    async def infos(self) -> list[Mapping[str, str]]:
        """What each node says about itself, by the names of INFO."""
        return [parse_info(text) for (text,) in await self.call_all([("INFO",)])]


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Nodes]:
    """Connects to all ``settings.nodes``. Raises CannotAuditError."""
    with contextlib.ExitStack() as stack:
        links = []
        for node in settings.nodes:
            async with _naming(node):
                link = await AsyncLink.connect(node, settings, f"{settings.name}-audit")
            stack.callback(link.close)
            links.append(link)
        yield Nodes(links)


@contextlib.asynccontextmanager
async def _naming(node: Node) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:  # what a node can do wrong has no end
        raise CannotAuditError(f"{node}: {diagnose(error).text}") from None


def errors_in(reply: Any) -> list[Exception]:
    """What the server answered with to EXEC that are errors: it as a whole, or some of its commands."""
    return [each for each in (reply if isinstance(reply, list) else [reply]) if isinstance(each, Exception)]
