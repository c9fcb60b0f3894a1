"""An asynchronous listener as one would write it: for each event await the value, and await the answer."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import redis.asyncio

from bench.job import CHANNEL_PREFIX, PATTERN, Job, key_index
from bench.record import Recorder


def run(job: Job, recorder: Recorder) -> None:
    """Runs it on asyncio's own loop."""
    asyncio.run(listen(job, recorder))


async def listen(job: Job, recorder: Recorder) -> None:
    """Handles one event after the other."""
    client: Any = redis.asyncio.Redis(**job.client_options)
    pubsub = client.pubsub()
    await pubsub.psubscribe(PATTERN)
    async for message in pubsub.listen():
        if message["type"] == "psubscribe":
            recorder.ready()
        if message["type"] != "pmessage":
            continue
        seen_ns = time.time_ns()
        key = message["channel"].decode().removeprefix(CHANNEL_PREFIX)
        value = json.loads(await client.get(key))
        handshake = {
            "listener": "listener-async",
            "host": "bench",
            "key": key,
            "writer": value["writer"],
            "epoch": value["epoch"],
            "seq": value["seq"],
            "t1_ns": value["t1_ns"],
            "t2_ns": seen_ns,
            "t3_ns": time.time_ns(),
        }
        await client.set(f"handshake:bench:async:{key}", json.dumps(handshake))
        recorder.event_handled(key_index(key), seen_ns, time.time_ns())
