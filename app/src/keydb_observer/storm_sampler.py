"""How a storm's node is, five times a second: whether it answers, whether it is loading, and how many links are up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.json_lines import LineFile
from keydb_observer.node_facts import NodeFacts
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose

_EVERY_S = 0.2
_LONGEST_S = 1.0
"""A node that has not answered for so long is down."""
# Some minutes of samples, for a disk that is full meanwhile.
_MOST_WAITING = 1 << 18


class Sampler:
    """``now_ns`` is Unix time. Making one opens the file; raises OSError."""

    def __init__(self, path: Path, settings: Settings, now_ns: Callable[[], int]) -> None:
        self._file = LineFile(path, _MOST_WAITING)
        self._node_count = len(settings.nodes)
        # A client that asks for nothing but INFO, which a server answers also while it loads.
        self._client = async_client(settings.read_node, replace(settings, timeout=min(settings.timeout, _LONGEST_S)))
        self._now_ns = now_ns

    async def run(self) -> NoReturn:
        """Never returns by itself."""
        try:
            due = time.monotonic()
            while True:
                self._file.add(await self._sample())
                # What a silent node held up is not made up for.
                due = max(due + _EVERY_S, time.monotonic())
                await asyncio.sleep(due - time.monotonic())
        finally:
            self._file.close()
            await drop_connections(self._client)

    async def _sample(self) -> dict[str, Any]:
        asked_ns = self._now_ns()
        try:
            info = await asyncio.wait_for(self._client.info(), 2 * _LONGEST_S)
            facts = NodeFacts.from_info(info, self._node_count)
        except Exception as error:  # what a node can do wrong has no end, and it is what is wanted here
            await drop_connections(self._client)
            return {"at_ns": asked_ns, "up": False, "why": diagnose(error).kind}
        return {
            "at_ns": self._now_ns(),
            "up": True,
            "loading": facts.is_loading,
            "links_up": facts.links_up,
            "links": facts.links_expected,
        }
