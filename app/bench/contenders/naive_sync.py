"""A synchronous listener as one would write it: for each event read the key, and answer."""

from __future__ import annotations

import json
import time
from typing import Any

import redis

from bench.job import CHANNEL_PREFIX, PATTERN, Job, key_index
from bench.record import Recorder


def listen(job: Job, recorder: Recorder) -> None:
    """Handles one event after the other."""
    client: Any = redis.Redis(**job.client_options)
    pubsub = client.pubsub()
    pubsub.psubscribe(PATTERN)
    for message in pubsub.listen():
        if message["type"] == "psubscribe":
            recorder.ready()
        if message["type"] != "pmessage":
            continue
        seen_ns = time.time_ns()
        key = message["channel"].decode().removeprefix(CHANNEL_PREFIX)
        value = json.loads(client.get(key))
        handshake = {
            "listener": "listener-sync",
            "host": "bench",
            "key": key,
            "writer": value["writer"],
            "epoch": value["epoch"],
            "seq": value["seq"],
            "t1_ns": value["t1_ns"],
            "t2_ns": seen_ns,
            "t3_ns": time.time_ns(),
        }
        client.set(f"handshake:bench:sync:{key}", json.dumps(handshake))
        recorder.event_handled(key_index(key), seen_ns, time.time_ns())
