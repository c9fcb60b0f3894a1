"""Keeps a copy of many keys in memory, and hands each new value to a slow consumer: an asynchronous reaction.

Run it beside a server that sends notifications, and write to it::

    redis-server --notify-keyspace-events 'K$g' &
    python mirror.py 'load:*' 127.0.0.1:6379
    keydb-observer load --rate 5000 --keys 50

The consumer takes a millisecond per value, so it cannot have all of the 5,000 writes per second. It always gets the
latest value of each key, and the observer's counts tell how many others it was spared.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from keydb_observer import Change, Observer


class Mirror:
    """The latest raw value of each key."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def update(self, change: Change) -> None:
        """The observer reads on when this has returned; until then, the events of a key come together."""
        if change.raw is None:
            self.values.pop(change.key, None)
            return
        self.values[change.key] = change.raw
        await asyncio.sleep(0.001)


async def main() -> None:
    """Watches a pattern of keys. Arguments: PATTERN, and one HOST:PORT after the other; the first one is preferred."""
    pattern, *nodes = sys.argv[1:]
    mirror = Mirror()
    observer = Observer(mirror.update, mode="async", key=pattern, node=nodes)
    observing = asyncio.ensure_future(observer.run_async())
    while not observing.done():
        await asyncio.sleep(1)
        counts = observer.figures.counts
        print(f"{len(mirror.values)} keys, {counts.read} read, {counts.superseded} superseded, {counts.missed} missed")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
