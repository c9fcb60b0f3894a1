"""The synchronous listener: one thread that waits, reads and answers."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import NoReturn

import redis

from keydb_observer.connection import sync_client
from keydb_observer.listener import Listener
from keydb_observer.messages import Handshake, Mode, WokenBy
from keydb_observer.settings import Settings
from keydb_observer.subscription import Subscription
from keydb_observer.trouble import Backoff, TroubleLog, diagnose, is_wrong_type


class SyncListener:
    """Follows the shared key until it is stopped from outside by an exception."""

    def __init__(self, settings: Settings, logger: logging.Logger) -> None:
        self._listener = Listener(Mode.SYNC, settings, logger)
        self._settings = settings
        self._reader = sync_client(settings.read_node, settings)
        self._answerer = sync_client(settings.write_node, settings)
        self._reading = TroubleLog(logger, f"{self._listener.name}: reading from {settings.read_node}")
        self._answering = TroubleLog(logger, f"{self._listener.name}: answering at {settings.write_node}")
        self._reading_backoff = Backoff()
        self._answering_backoff = Backoff()

    def run(self) -> NoReturn:
        """Never returns by itself: whatever happens to a node, this says so and tries again."""
        try:
            while True:
                try:
                    self._follow()
                except Exception as error:  # an observer outlives whatever it observes
                    self._reading.failed(diagnose(error))
                    self._reader.connection_pool.disconnect()
                    time.sleep(self._reading_backoff.failed())
        finally:
            self._listener.stopped()
            self._close()

    def _follow(self) -> NoReturn:
        with Subscription(self._reader, self._listener.channel, self._settings.timeout) as subscription:
            self._react(WokenBy.SUBSCRIPTION)
            while True:
                self._reading.well()
                self._reading_backoff.succeeded()
                event = subscription.next_event()
                self._react(WokenBy.EVENT, event.seen_ns)

    def _react(self, woken_by: WokenBy, seen_ns: int | None = None) -> None:
        try:
            raw = self._reader.get(self._settings.key)
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._listener.found_foreign("it is not a string")
            return
        handshake = self._listener.react(raw, woken_by, seen_ns or time.time_ns())
        if handshake and self._answering_backoff.is_over:
            self._answer(handshake)

    def _answer(self, handshake: Handshake) -> None:
        """A node that takes no answers must not keep this listener from listening."""
        try:
            self._answerer.set(self._listener.handshake_key, handshake.encode())
        except Exception as error:  # as above
            self._answering.failed(diagnose(error))
            self._answerer.connection_pool.disconnect()
            self._answering_backoff.failed()
        else:
            self._answering.well()
            self._answering_backoff.succeeded()

    def _close(self) -> None:
        for client in (self._reader, self._answerer):
            with contextlib.suppress(Exception):
                client.close()
