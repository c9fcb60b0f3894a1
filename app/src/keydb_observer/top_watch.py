"""Looks at every node again and again, at each by a task and a connection of its own: none waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.status import Answer, newest, put_together, question
from keydb_observer.top_frame import Frame, NodeFrame, Silence
from keydb_observer.top_rates import NodeRates, ObserverPaces, node_rates
from keydb_observer.trouble import diagnose

_GRACE_S = 0.5
"""Seconds beyond an interval that an answer may take before its row says that it is missing."""


@dataclass(frozen=True)
class Clock:
    """``now_ns`` is Unix time, for what people read; ``passed_ns`` is monotonic, for what is measured."""

    now_ns: Callable[[], int] = time.time_ns
    passed_ns: Callable[[], int] = time.monotonic_ns


class NodeWatch:
    """What is known of one node, from the latest look at it and the one before."""

    def __init__(
        self, node: Node, settings: Settings, interval_s: float, clock: Clock, looked: Callable[[], None]
    ) -> None:
        self._node = node
        self._settings = settings
        self._interval_s = interval_s
        self._clock = clock
        self._looked = looked
        self._client = async_client(node, settings)
        self._answer: Answer | None = None
        self._answered_ns = clock.passed_ns()
        self._rates: NodeRates | None = None
        self._why: str | None = None

    async def run(self) -> None:
        """Looks at the node until it is cancelled."""
        try:
            while True:
                began = time.monotonic()
                await self.look()
                self._looked()
                await asyncio.sleep(max(self._interval_s - (time.monotonic() - began), 0))
        finally:
            await self.close()

    async def look(self) -> None:
        """One look. Takes twice the timeout at most."""
        try:
            limit = 2 * self._settings.timeout
            answer = await asyncio.wait_for(question(self._client, self._node, self._settings), limit)
        except Exception as error:  # whatever it is, it is one row's trouble
            await drop_connections(self._client)
            self.failed(diagnose(error).text)
            return
        if answer.unreachable:
            self.failed(answer.unreachable)
        else:
            self.answered(answer)

    def answered(self, answer: Answer) -> None:
        """Takes note of an answer."""
        now_ns = self._clock.passed_ns()
        # After a time without answers the difference says little of now.
        was_well = self._why is None and self._answer is not None
        self._rates = (
            node_rates(self._answer, answer, now_ns - self._answered_ns) if was_well and self._answer else None
        )
        self._answer, self._answered_ns, self._why = answer, now_ns, None

    def failed(self, why: str) -> None:
        """Takes note of a look that came to nothing."""
        self._why = why

    async def close(self) -> None:
        """Closes the connection, within a second."""
        await drop_connections(self._client)

    @property
    def answer(self) -> Answer:
        """The latest one, also while there are no more: what it said of the observers still holds."""
        return self._answer or Answer(self._node, unreachable=self._why or "it has not answered yet")

    def frame(self) -> NodeFrame:
        """How the node is now."""
        lasts_ns = self._clock.passed_ns() - self._answered_ns
        late = lasts_ns > (2 * self._interval_s + _GRACE_S) * NS_PER_SECOND
        if self._why is None and not late:
            counters = self._answer.counters if self._answer else None
            return NodeFrame(self._rates, counters)
        return NodeFrame(silence=Silence(self._clock.now_ns() - lasts_ns, lasts_ns, self._why))


class Watch:
    """All nodes and their observers. ``looked`` is called after each look at a node."""

    def __init__(
        self,
        settings: Settings,
        interval_s: float,
        clock: Clock | None = None,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._interval_s = interval_s
        self._clock = clock or Clock()
        self._paces = ObserverPaces()
        self.nodes = tuple(NodeWatch(node, settings, interval_s, self._clock, looked) for node in settings.nodes)

    async def run(self) -> None:
        """Looks at all nodes until it is cancelled."""
        await asyncio.gather(*(node.run() for node in self.nodes))

    async def look_twice(self) -> Frame:
        """What two looks show, an interval apart: the least that shows rates."""
        try:
            await asyncio.gather(*(node.look() for node in self.nodes))
            self.frame()
            await asyncio.sleep(self._interval_s)
            await asyncio.gather(*(node.look() for node in self.nodes))
            return self.frame()
        finally:
            await asyncio.gather(*(node.close() for node in self.nodes))

    def frame(self) -> Frame:
        """How everything is now. Asks nobody."""
        answers = [node.answer for node in self.nodes]
        now_ns = self._clock.now_ns()
        passed_ns = self._clock.passed_ns()
        values = [answer.value for answer in answers if answer.value]
        if values:
            self._paces.take_value(max(values, key=lambda value: value.t1_ns), passed_ns)
        reports = newest((found for answer in answers for found in answer.reports), lambda found: found.sent_ns)
        for report in reports.values():
            self._paces.take_report(report, passed_ns)
        return Frame(
            taken_ns=now_ns,
            interval_s=self._interval_s,
            status=put_together(answers, now_ns),
            nodes=tuple(node.frame() for node in self.nodes),
            handshakes=newest((found for answer in answers for found in answer.handshakes), lambda found: found.t3_ns),
            writes=self._paces.writes(passed_ns),
            events={who: self._paces.events(*who, passed_ns) for who in reports},
        )
