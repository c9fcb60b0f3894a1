"""Batches as in ``batching``, through redis-py: one task takes its messages, another reads and answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import redis.asyncio
from keydb_observer.messages import SharedValue

from bench.job import CHANNEL_PREFIX, PATTERN, Job, key_index
from bench.record import Recorder


def run(job: Job, recorder: Recorder) -> None:
    """Runs it on asyncio's own loop."""
    asyncio.run(Batched(job, recorder).run())


class Batched:
    """Reads all the keys that changed since the last time, answers for them, and so on."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        self._client: Any = redis.asyncio.Redis(**job.client_options)
        self._recorder = recorder
        self._changed: dict[str, int] = {}
        self._has_changed = asyncio.Event()
        self._last: dict[str, int] = {}

    async def run(self) -> None:
        """Until the recorder ends it."""
        await asyncio.gather(self._take_events(), self._react())

    async def _take_events(self) -> None:
        pubsub = self._client.pubsub()
        await pubsub.psubscribe(PATTERN)
        async for message in pubsub.listen():
            if message["type"] == "psubscribe":
                self._recorder.ready()
            elif self._recorder.events is not None:
                self._recorder.events += 1
                self._changed[message["channel"].decode().removeprefix(CHANNEL_PREFIX)] = time.time_ns()
                self._has_changed.set()

    async def _react(self) -> None:
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            batch, self._changed = self._changed, {}
            if not batch:
                continue
            values = [SharedValue.parse(raw) for raw in await self._client.mget(list(batch))]
            answers = {}
            for (key, seen_ns), value in zip(batch.items(), values, strict=True):
                answers[f"handshake:bench:async:{key}"] = json.dumps({"key": key, "seq": value.seq, "t2_ns": seen_ns})
            await self._client.mset(answers)
            done_ns = time.time_ns()
            for (key, seen_ns), value in zip(batch.items(), values, strict=True):
                last = self._last.get(key, 0)
                if value.seq > last:
                    self._last[key] = value.seq
                    self._recorder.handled(key_index(key), last + 1, value.seq, seen_ns, done_ns)
