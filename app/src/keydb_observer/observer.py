"""The library: an observer for people who write their own reactions."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

import uvloop

from keydb_observer.changes import Change
from keydb_observer.figures import Figures
from keydb_observer.instruments import Instruments
from keydb_observer.journal import LOGGER_NAME
from keydb_observer.listen_async import AsyncListener
from keydb_observer.listen_sync import SyncListener
from keydb_observer.messages import Mode
from keydb_observer.resolution import resolve
from keydb_observer.settings import Settings

Handler = Callable[[Change], Awaitable[object] | object]


class Observer:
    """Calls ``handler`` for each change of some keys, and answers each write by a handshake once it has returned.

    The options are those of ``keydb-observer listen``, with underscores for dashes::

        Observer(print, mode="sync", node="node1=10.77.0.11:6379", key=["shared_key", "orders:*"]).run()

    Both modes behave alike. In mode ``async`` the handler may be a coroutine function, and reading goes on while
    answers are on their way; in mode ``sync`` everything happens in the thread that calls ``run``. The handler is
    called for one change after the other, so it needs no locks. What it raises is logged and counted, and ends nothing.

    Raises WrongOptionError, a ValueError, when an option is wrong or missing.
    """

    def __init__(self, handler: Handler | None = None, **options: object) -> None:
        arguments = {name.replace("_", "-"): _as_given(value) for name, value in options.items()}
        self._start_with(resolve("listen", arguments, {}), logging.getLogger(LOGGER_NAME), handler)

    @classmethod
    def of(cls, settings: Settings, logger: logging.Logger, handler: Handler | None = None) -> Observer:
        """An observer of settings that were resolved already."""
        observer = cls.__new__(cls)
        observer._start_with(settings, logger, handler)
        return observer

    def _start_with(self, settings: Settings, logger: logging.Logger, handler: Handler | None) -> None:
        self._instruments = Instruments(settings)
        kind = AsyncListener if settings.mode is Mode.ASYNC else SyncListener
        self._listener = kind(settings, logger, handler, clock_error=self._instruments.clock_error_ns)

    @property
    def figures(self) -> Figures:
        """What has been counted and measured so far."""
        return self._listener.figures

    def run(self) -> None:
        """Observes until ``stop`` is called. Raises OSError when the address for metrics cannot be had."""
        if isinstance(self._listener, AsyncListener):
            uvloop.run(self.run_async())
            return
        with self._instruments.running(self.figures.snapshot):
            self._listener.run()

    async def run_async(self) -> None:
        """The same within an event loop that runs already. In mode ``sync`` it takes a thread of its own."""
        if isinstance(self._listener, SyncListener):
            await asyncio.to_thread(self.run)
            return
        with self._instruments.running(self.figures.snapshot):
            await self._listener.run()

    def stop(self) -> None:
        """Ends ``run`` within a second or so. May be called from any thread, and by the handler."""
        self._listener.stop()


def _as_given(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return list(value) if isinstance(value, tuple) else value
