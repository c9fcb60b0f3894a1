"""The asynchronous listener: one task that waits, reads and reacts, and another one that answers."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable

from keydb_observer.answerer import AsyncAnswerer, OnAnswered
from keydb_observer.changes import Change
from keydb_observer.listener import Listener
from keydb_observer.messages import Mode
from keydb_observer.nodes import Node
from keydb_observer.route import HOME_EVERY_S, Route
from keydb_observer.settings import Settings
from keydb_observer.trouble import Backoff, NodeTroubles, is_refusal
from keydb_observer.wire import AsyncLink

TICK_S = 1.0


class AsyncListener:
    """Follows the keys until ``stop`` is called or its task is cancelled.

    ``handler``, a function or a coroutine function, is called for each change, one after the other. The next keys are
    read when it is done with the last ones, and the events of a key come together meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        logger: logging.Logger,
        handler: Callable[[Change], Awaitable[object] | object] | None = None,
        *,
        clock_error: Callable[[], int | None] = lambda: None,
        backoff: Callable[[], Backoff] = Backoff,
        on_answered: OnAnswered | None = None,
    ) -> None:
        self._listener = Listener(Mode.ASYNC, settings, logger, clock_error)
        self.figures = self._listener.figures
        self._settings = settings
        self._logger = logger
        self._handler = handler
        self._route = Route(settings.nodes, backoff())
        self._troubles = NodeTroubles(logger, self._listener.name, "reading from")
        self._answerer = AsyncAnswerer(self._listener.name, self.figures, settings, logger, backoff(), on_answered)
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Whatever happens to a node, this says so and goes on."""
        self._loop = asyncio.get_running_loop()
        answering = asyncio.ensure_future(self._answerer.run())
        try:
            while not self._stopping.is_set():
                delay_s = await self._follow()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay_s)
        finally:
            self._loop = None
            self._listener.stopped()
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering

    def stop(self) -> None:
        """Ends ``run`` within a second or so. May be called from any thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._stopping.set)
        else:
            self._stopping.set()

    async def _follow(self) -> float:
        """Listens to the node whose turn it is until that fails. Returns for how many seconds to wait then."""
        node = self._route.node
        try:
            link = await self._subscribed(node)
        except Exception as error:  # an observer outlives whatever it observes
            self._troubles.failed(node, error)
            return self._route.refused()
        home = _HomeWatch(self._route.home, self._settings, self._listener.name)
        try:
            if not self._route.is_home:
                home.start()
            while not self._stopping.is_set() and not home.is_back:
                await self._round(link, node)
        except Exception as error:  # as above
            self._troubles.failed(node, error)
            self._listener.disconnected(error, link.stream.watchdog.heard_at)
            return self._route.refused() if is_refusal(error) else self._route.lost()
        finally:
            home.stop()
            link.close()
        self._listener.disconnected(None, time.monotonic())
        self._route.came_home()
        return 0.0

    async def _subscribed(self, node: Node) -> AsyncLink:
        watched, listener = self._listener.watched, self._listener
        link = await AsyncLink.connect(
            node,
            self._settings,
            listener.name,
            listener.inbox.note,
            channels=watched.channels,
            patterns=watched.channel_patterns,
        )
        listener.connected(node.name, is_home=self._route.is_home)
        return link

    async def _round(self, link: AsyncLink, node: Node) -> None:
        """Reads the keys that changed, or waits for a change."""
        command = self._listener.inbox.next_command()
        if command is None:
            await link.wait(TICK_S)
        else:
            changes: list[Change] = []
            link.ask(command, lambda reply: changes.extend(self._listener.take(reply)))
            while not changes:
                await link.wait()
            self._troubles.well(node)
            self._route.connected()
            for change in changes:
                await self._handle(change)
            answers = self._listener.answers_to(changes)
            if answers:
                await self._answerer.send(answers, changes, self._settings.write_node or node)
        report = self._listener.tick()
        if report:
            await self._answerer.send(report, [], self._settings.write_node or node)

    async def _handle(self, change: Change) -> None:
        if self._handler is None:
            return
        try:
            result = self._handler(change)
            if inspect.isawaitable(result):
                await result
        except Exception:  # somebody else's code, and no reason to stop listening
            self.figures.handler_failures += 1
            self._logger.exception("%s: the handler fails at %s", self._listener.name, change.key)


class _HomeWatch:
    """Looks, in a task of its own, whether the first node is back while another one is listened to."""

    def __init__(self, home: Node, settings: Settings, name: str) -> None:
        self.is_back = False
        self._home = home
        self._settings = settings
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    async def _watch(self) -> None:
        while not self.is_back:
            await asyncio.sleep(HOME_EVERY_S)
            with contextlib.suppress(Exception):  # it is not back yet, and that is said already
                link = await AsyncLink.connect(self._home, self._settings, self._name)
                with contextlib.closing(link):
                    # A server that is still loading its data answers this with an error.
                    await link.call(("GET", self._settings.keys[0]))
                self.is_back = True
