"""How a listener's answers get to the node that takes writes, without keeping the listener from listening for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

from keydb_observer.changes import Change
from keydb_observer.figures import Figures
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.stream import Command
from keydb_observer.trouble import Backoff, NodeTroubles
from keydb_observer.wire import AsyncLink, Link

OnAnswered = Callable[[list[Change]], None]
"""Is given the changes whose handshakes the server has taken."""


class _Outcomes:
    """Counts and says what becomes of answers. Those of a node in trouble are dropped until its back-off is over."""

    def __init__(
        self, name: str, figures: Figures, logger: logging.Logger, backoff: Backoff, on_answered: OnAnswered | None
    ) -> None:
        self._figures = figures
        self._troubles = NodeTroubles(logger, name, "answering at")
        self._backoff = backoff
        self._on_answered = on_answered

    @property
    def may_try(self) -> bool:
        return self._backoff.is_over

    def sent(self, node: Node, changes: list[Change]) -> None:
        self._troubles.well(node)
        self._backoff.succeeded()
        self._figures.answers += len(changes)
        if self._on_answered and changes:
            self._on_answered(changes)

    def failed(self, node: Node, changes: list[Change], error: Exception) -> None:
        self._troubles.failed(node, error)
        self._backoff.failed()
        self.dropped(changes)

    def dropped(self, changes: list[Change]) -> None:
        self._figures.answers_failed += len(changes)


class Answerer:
    """Sends one answer after the other, and waits for each reply."""

    def __init__(
        self,
        name: str,
        figures: Figures,
        settings: Settings,
        logger: logging.Logger,
        backoff: Backoff,
        on_answered: OnAnswered | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._outcomes = _Outcomes(name, figures, logger, backoff, on_answered)
        self._link: Link | None = None

    def send(self, command: Command, changes: list[Change], node: Node) -> None:
        """Sends to ``node`` what answers these changes. Never raises."""
        if not self._outcomes.may_try:
            self._outcomes.dropped(changes)
            return
        try:
            if self._link is None or self._link.node != node:
                self.close()
                self._link = Link(node, self._settings, self._name)
            self._link.call(command)
        except Exception as error:  # a node that takes no answers is no reason to stop listening
            self.close()
            self._outcomes.failed(node, changes, error)
        else:
            self._outcomes.sent(node, changes)

    def close(self) -> None:
        """Closes the connection."""
        if self._link:
            self._link.close()
            self._link = None


class AsyncAnswerer:
    """The same as a task beside the listener's, so that reading goes on while a reply is on its way.

    A few answers may wait for theirs; then ``send`` waits too, and events of the same key come together meanwhile.
    """

    MOST_WAITING = 4

    def __init__(
        self,
        name: str,
        figures: Figures,
        settings: Settings,
        logger: logging.Logger,
        backoff: Backoff,
        on_answered: OnAnswered | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._outcomes = _Outcomes(name, figures, logger, backoff, on_answered)
        self._queue: asyncio.Queue[tuple[Command, list[Change], Node]] = asyncio.Queue(self.MOST_WAITING)
        self._link: AsyncLink | None = None

    async def send(self, command: Command, changes: list[Change], node: Node) -> None:
        """Sends to ``node`` what answers these changes, sooner or later. Never raises."""
        if self._queue.full() and not self._outcomes.may_try:
            self._outcomes.dropped(changes)
        else:
            await self._queue.put((command, changes, node))

    async def run(self) -> NoReturn:
        """Sends one answer after the other until it is cancelled."""
        try:
            while True:
                command, changes, node = await self._queue.get()
                await self._send(command, changes, node)
        finally:
            self.close()

    async def _send(self, command: Command, changes: list[Change], node: Node) -> None:
        if not self._outcomes.may_try:
            self._outcomes.dropped(changes)
            return
        try:
            if self._link is None or self._link.node != node:
                self.close()
                self._link = await AsyncLink.connect(node, self._settings, self._name)
            await self._link.call(command)
        except Exception as error:  # as above
            self.close()
            self._outcomes.failed(node, changes, error)
        else:
            self._outcomes.sent(node, changes)

    def close(self) -> None:
        """Closes the connection."""
        if self._link:
            self._link.close()
            self._link = None
