"""Which processors the server and those who talk to it run on while delays are measured."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path


@contextlib.contextmanager
def apart(server: int) -> Iterator[None]:
    """Keeps a server on one processor, and this process with all that it starts off that one.

    The kernel likes to wake a server on the processor of the client that called it, and then no other one has to be
    woken before the event is sent. It does so more often the less a listener asks of the server, and most of all for a
    listener that asks nothing. That is a quarter of the delay, and no merit of the listener's; it does not happen where
    the writer is another host. With one processor there is no choice, and nothing is done.

    Args:
        server: Its process number.
    """
    before = os.sched_getaffinity(0)
    if len(before) == 1:
        yield
        return
    own = {max(before)}
    _keep_on(server, own)
    os.sched_setaffinity(0, before - own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        _keep_on(server, before)


def _keep_on(process: int, processors: Collection[int]) -> None:
    """All threads of a process; one that ends meanwhile needs nothing. What they start inherits it."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), processors)
