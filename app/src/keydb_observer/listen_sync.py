"""The synchronous listener: one thread that waits, reads, reacts and answers."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from keydb_observer.answerer import Answerer, OnAnswered
from keydb_observer.changes import Change
from keydb_observer.listener import Listener
from keydb_observer.messages import Mode
from keydb_observer.nodes import Node
from keydb_observer.route import HOME_EVERY_S, Route
from keydb_observer.settings import Settings
from keydb_observer.trouble import Backoff, NodeTroubles, is_refusal
from keydb_observer.wire import Link

TICK_S = 1.0


class SyncListener:
    """Follows the keys until ``stop`` is called, or an exception from outside, such as a signal's, ends it.

    ``handler`` is called for each change, one after the other. Nothing is read while it runs, and the events of a key
    come together meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        logger: logging.Logger,
        handler: Callable[[Change], object] | None = None,
        *,
        clock_error: Callable[[], int | None] = lambda: None,
        backoff: Callable[[], Backoff] = Backoff,
        on_answered: OnAnswered | None = None,
    ) -> None:
        self._listener = Listener(Mode.SYNC, settings, logger, clock_error)
        self.figures = self._listener.figures
        self._settings = settings
        self._logger = logger
        self._handler = handler
        self._route = Route(settings.nodes, backoff())
        self._troubles = NodeTroubles(logger, self._listener.name, "reading from")
        self._answerer = Answerer(self._listener.name, self.figures, settings, logger, backoff(), on_answered)
        self._is_stopping = threading.Event()

    def run(self) -> None:
        """Whatever happens to a node, this says so and goes on."""
        try:
            while not self._is_stopping.is_set():
                self._is_stopping.wait(self._follow())
        finally:
            self._listener.stopped()
            self._answerer.close()

    def stop(self) -> None:
        """Ends ``run`` within a second or so. May be called from any thread."""
        self._is_stopping.set()

    def _follow(self) -> float:
        """Listens to the node whose turn it is until that fails. Returns for how many seconds to wait then."""
        node = self._route.node
        try:
            link = self._subscribed(node)
        except Exception as error:  # an observer outlives whatever it observes
            self._troubles.failed(node, error)
            return self._route.refused()
        home = _HomeWatch(self._route.home, self._settings, self._listener.name)
        try:
            if not self._route.is_home:
                home.start()
            while not self._is_stopping.is_set() and not home.is_back.is_set():
                self._round(link, node)
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

    def _subscribed(self, node: Node) -> Link:
        watched, listener = self._listener.watched, self._listener
        link = Link(
            node,
            self._settings,
            listener.name,
            listener.inbox.note,
            channels=watched.channels,
            patterns=watched.channel_patterns,
        )
        listener.connected(node.name, is_home=self._route.is_home)
        return link

    def _round(self, link: Link, node: Node) -> None:
        """Reads the keys that changed, or waits for a change."""
        command = self._listener.inbox.next_command()
        if command is None:
            link.wait(TICK_S)
        else:
            changes: list[Change] = []
            link.ask(command, lambda reply: changes.extend(self._listener.take(reply)))
            while not changes:
                link.wait()
            self._troubles.well(node)
            self._route.connected()
            for change in changes:
                self._handle(change)
            answers = self._listener.answers_to(changes)
            if answers:
                self._answerer.send(answers, changes, self._settings.write_node or node)
        report = self._listener.tick()
        if report:
            self._answerer.send(report, [], self._settings.write_node or node)

    def _handle(self, change: Change) -> None:
        if self._handler is None:
            return
        try:
            self._handler(change)
        except Exception:  # somebody else's code, and no reason to stop listening
            self.figures.handler_failures += 1
            self._logger.exception("%s: the handler fails at %s", self._listener.name, change.key)


class _HomeWatch:
    """Looks, in a thread of its own, whether the first node is back while another one is listened to."""

    def __init__(self, home: Node, settings: Settings, name: str) -> None:
        self.is_back = threading.Event()
        self._home = home
        self._settings = settings
        self._name = name
        self._is_stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="home-watch", daemon=True).start()

    def stop(self) -> None:
        self._is_stopping.set()

    def _watch(self) -> None:
        while not self._is_stopping.wait(HOME_EVERY_S) and not self.is_back.is_set():
            with contextlib.suppress(Exception):  # it is not back yet, and that is said already
                link = Link(self._home, self._settings, self._name)
                with contextlib.closing(link):
                    # A server that is still loading its data answers this with an error.
                    link.call(("GET", self._settings.keys[0]))
                self.is_back.set()
