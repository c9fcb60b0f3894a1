"""The contenders: what each is, and where its code is. Every one is a function of a job and a recorder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """``start`` is the rate in writes/s at which the search for its limit begins: a wrong one costs time, not truth."""

    module: str
    function: str
    start: int
    text: str


CONTENDERS = {
    "naive-sync": Contender("naive_sync", "listen", 2_000, "redis-py, one GET and one SET for each event"),
    "naive-async": Contender("naive_async", "run", 1_000, "redis.asyncio, one GET and one SET awaited for each event"),
    "ours-sync": Contender("ours", "sync", 128_000, "keydb_observer's synchronous listener"),
    "ours-async": Contender("ours", "run_async", 128_000, "keydb_observer's asynchronous listener"),
    "floor": Contender("floor", "listen", 128_000, "hiredis on a socket: takes events apart and does nothing else"),
    "ours-async-own-loop": Contender(
        "ours", "run_own_loop", 128_000, "ours-async on asyncio's own loop, not on uvloop"
    ),
    "batched": Contender("batching", "one_connection", 64_000, "the bare idea of ours-async: MGET of all that changed"),
    "own-get": Contender("batching", "own_get", 64_000, "batched, but with pipelined GETs"),
    "two-connections": Contender("batching", "two_connections", 64_000, "batched, events on a connection of their own"),
    "no-coalescing": Contender("batching", "no_coalescing", 8_000, "batched, but every event is read and answered"),
    "tracking": Contender("batching", "tracking", 64_000, "batched, woken by CLIENT TRACKING instead of events"),
    "redis-py-batched": Contender("redis_py_batched", "run", 16_000, "batched, but with redis.asyncio"),
}

DEFAULT = ("floor", "naive-sync", "naive-async", "ours-sync", "ours-async")
OVER_TLS = ("floor", "naive-sync", "naive-async", "ours-async")
