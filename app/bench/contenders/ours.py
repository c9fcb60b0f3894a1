"""Our own listeners, as they run in production: accounts, figures, log and all."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable

import uvloop
from keydb_observer.changes import Change
from keydb_observer.figures import Figures
from keydb_observer.ledger import Sighting
from keydb_observer.listen_async import AsyncListener
from keydb_observer.listen_sync import SyncListener
from keydb_observer.messages import Mode
from keydb_observer.resolution import resolve
from keydb_observer.settings import Settings

from bench.job import HOST, PREFIX, Job, key_index
from bench.record import Recorder

_LOOK_EVERY_S = 0.005


def sync(job: Job, recorder: Recorder) -> None:
    """The blocking one."""
    answers = _Answers(recorder)
    listener = SyncListener(_settings(job, Mode.SYNC), _logger(), on_answered=answers.taken)
    answers.follow(listener.figures)
    listener.run()


def run_async(job: Job, recorder: Recorder) -> None:
    """The one for asyncio, on the loop that it has in production."""
    uvloop.run(_run_async(job, recorder))


def run_own_loop(job: Job, recorder: Recorder) -> None:
    """The same on asyncio's own loop."""
    asyncio.run(_run_async(job, recorder))


async def _run_async(job: Job, recorder: Recorder) -> None:
    answers = _Answers(recorder)
    listener = AsyncListener(_settings(job, Mode.ASYNC), _logger(), on_answered=answers.taken)
    answers.follow(listener.figures)
    await listener.run()


def _settings(job: Job, mode: Mode) -> Settings:
    options: dict[str, object] = {"node": [f"{HOST}:{job.port}"], "key": [f"{PREFIX}*"], "mode": mode.value}
    if job.ca:
        options |= {"tls": True, "tls-ca": str(job.ca)}
    return resolve("listen", options | {"name": "bench"}, {})


def _logger() -> logging.Logger:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    return logging.getLogger("bench")


class _Answers:
    """Records what a listener's handshakes were taken for."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._figures: Figures | None = None

    def follow(self, figures: Figures) -> None:
        """Says READY once the listener has subscribed."""
        self._figures = figures
        threading.Thread(target=self._await, args=(lambda: bool(figures.node),), daemon=True).start()

    def _await(self, has_subscribed: Callable[[], bool]) -> None:
        while not has_subscribed():
            time.sleep(_LOOK_EVERY_S)
        self._recorder.ready()

    def taken(self, changes: list[Change]) -> None:
        """Handshakes of these changes were acknowledged."""
        done_ns = time.time_ns()
        if self._figures:
            counts = self._figures.counts
            self._recorder.events, self._recorder.missed = counts.events, counts.missed
        for change in changes:
            if change.value is None or change.entry is None or change.seen is None or not change.is_news:
                continue
            seq, entry = change.value.seq, change.entry
            # Of a first value the listener does not count the writes before it; here the load began after it did.
            first = 1 if entry.sighting is Sighting.FIRST else seq - entry.superseded
            self._recorder.handled(key_index(change.key), first, seq, change.seen.time_ns, done_ns, entry.missed)
