"""``storm``: a mixed load on one node, of which every operation's outcome is written down to be judged afterwards.

It does not fail over and does not retry: what came of an operation is what came of it at this node. What is due while
no connection is free for it is not done at all, so a node that is away leaves a gap and not a backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import Counter
from collections.abc import Iterable

import msgspec
import uvloop

from keydb_observer.history import History, Operation, Outcome
from keydb_observer.settings import Settings
from keydb_observer.storm_hand import Hand, Troubles
from keydb_observer.storm_plan import Lane, Plan
from keydb_observer.storm_sampler import Sampler
from keydb_observer.storm_settings import StormSettings
from keydb_observer.stream import Instant
from keydb_observer.trouble import Trouble, TroubleLog

# Several, so that one slow reply holds up nothing, and a server with many threads has something to share out.
_HANDS = {Lane.PLAIN: 4, Lane.DURABLE: 2}
_DISK_RETRY_S = 0.1
_LOOK_S = 0.1
# Whoever stops a service waits for some seconds.
_LAST_REPLIES_S = 2.0


class Storm:
    """Making one opens its files; raises OSError."""

    def __init__(self, storm: StormSettings, settings: Settings, logger: logging.Logger) -> None:
        self._storm = storm
        self._settings = settings
        self._logger = logger
        self._began = Instant.now()
        self._node = settings.write_node or settings.read_node
        self._history = History(storm.history)
        self._plan = Plan(storm, settings.name, self._history.first_op)
        self._sampler = Sampler(storm.samples, settings, self._now_ns) if storm.samples else None
        self._disk = TroubleLog(logger, f"storm: writing {storm.history}")
        troubles = Troubles(logger, self._node)
        self._hands = {
            lane: [
                Hand(
                    self._node,
                    settings,
                    storm.durable if lane is Lane.DURABLE else 0,
                    self._now_ns,
                    self._settled,
                    troubles,
                )
                for _ in range(count)
            ]
            for lane, count in _HANDS.items()
            if storm.durable or lane is Lane.PLAIN
        }
        self.counts: Counter[str] = Counter()

    def _now_ns(self) -> int:
        """Unix time by the monotonic clock: a history stays in order while somebody steps the time of day."""
        return self._began.time_ns + time.monotonic_ns() - self._began.monotonic_ns

    async def run(self, stop: asyncio.Event) -> None:
        """Goes on until it is told to stop, or for as long as was said, whatever the node does."""
        self._logger.info(
            "storm starts at operation %d on %s: %g operations/s, seed %d",
            self._history.first_op,
            self._node,
            self._storm.rate,
            self._storm.seed,
        )
        hands = [hand for some in self._hands.values() for hand in some]
        running = [asyncio.ensure_future(hand.run()) for hand in hands]
        if self._sampler:
            running.append(asyncio.ensure_future(self._sampler.run()))
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._work(stop), self._storm.duration)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(hand.finish() for hand in hands)), _LAST_REPLIES_S)
        finally:
            await _end(running)
            for hand in hands:
                hand.close()
            self._history.close()
        self._logger.info(
            "storm stops: %d acknowledged, %d failed, %d unknown",
            *(self.counts[name] for name in ("acknowledged", "failed", "unknown")),
        )

    async def _work(self, stop: asyncio.Event) -> None:
        interval_s = 1 / self._storm.rate
        due = time.monotonic()
        while not stop.is_set():
            if not self._history.flush():
                # What could not be written down is not done.
                self._disk.failed(_disk_trouble(self._history.error))
                await asyncio.sleep(_DISK_RETRY_S)
                due = time.monotonic()
                continue
            self._disk.well()
            self._do_next()
            # What was held up for longer than a moment is not made up for.
            due = max(due + interval_s, time.monotonic() - 10 * interval_s)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _do_next(self) -> None:
        step = self._plan.step()
        hand = next((hand for hand in self._hands[self._plan.lane(step)] if hand.is_free), None)
        operation = self._plan.operation(step, self._now_ns()) if hand else None
        if hand is None or operation is None:
            return
        if self._history.add(operation):
            hand.start(operation)
            return
        why = f"not sent: {_disk_trouble(self._history.error).text}"
        self._settled(msgspec.structs.replace(operation, outcome=Outcome.FAILED, why=why, done_ns=operation.sent_ns))

    def _settled(self, operation: Operation) -> None:
        self.counts[operation.outcome.value] += 1
        self._history.add(operation)
        self._plan.settled(operation)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels them until they end: where a connection fails at that very moment, wait_for forgets the cancelling."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_LOOK_S)


def _disk_trouble(error: OSError | None) -> Trouble:
    return Trouble("disk", f"it cannot be written ({error.strerror if error else None})")


def storm_until_stopped(storm: StormSettings, settings: Settings, logger: logging.Logger) -> None:
    """Until SIGTERM or SIGINT, or for as long as was said. Raises OSError when its files cannot be opened."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await Storm(storm, settings, logger).run(stop)

    uvloop.run(run())
