"""``top``: the cluster as it is from second to second, on a terminal or as one plain frame."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys

from keydb_observer.settings import Settings
from keydb_observer.top_screen import Screen, opened_screen
from keydb_observer.top_settings import TopSettings
from keydb_observer.top_table import lines_of
from keydb_observer.top_watch import Watch

# Where nothing tells how wide the output is, a table may be as wide as it likes.
_PLAIN_SIZE = (200, 24)
_TOGETHER_S = 0.05


def is_live(top: TopSettings) -> bool:
    """Whether there is a terminal to live on, and nobody has asked for one frame only."""
    return not top.once and sys.stdin.isatty() and sys.stdout.isatty()


async def print_once(settings: Settings, top: TopSettings) -> bool:
    """Prints one plain frame. Whether every node answers and has all its links."""
    frame = await Watch(settings, top.interval).look_twice()
    width = shutil.get_terminal_size(_PLAIN_SIZE).columns
    print("\n".join(line.text for line in lines_of(frame, width)))
    return frame.well == len(frame.nodes)


async def watch_until_stopped(settings: Settings, top: TopSettings) -> None:
    """Shows frame after frame until q is pressed. Raises UnknownTerminalError."""
    woken = asyncio.Event()
    watch = Watch(settings, top.interval, looked=woken.set)
    with opened_screen(os.environ) as screen:
        looking = asyncio.ensure_future(watch.run())
        try:
            await _show(watch, screen, top.interval, woken, looking)
        finally:
            looking.cancel()
            # Answers nobody waits for any longer; a connection takes a second at most to close.
            await asyncio.gather(looking, return_exceptions=True)


async def _show(
    watch: Watch, screen: Screen, interval_s: float, woken: asyncio.Event, looking: asyncio.Future[None]
) -> None:
    loop = asyncio.get_running_loop()

    def resized() -> None:
        screen.resized()
        woken.set()

    loop.add_reader(sys.stdin.fileno(), woken.set)
    loop.add_signal_handler(signal.SIGWINCH, resized)
    try:
        while not looking.done():
            width, height = screen.size
            screen.show(lines_of(watch.frame(), width, height, is_live=True))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(woken.wait(), interval_s)
            # What the other nodes say at the same time comes in the same frame.
            await asyncio.sleep(_TOGETHER_S)
            woken.clear()
            if screen.wants_to_quit():
                return
        # It ends by an error only, which is not to be hidden behind a screen that stands still.
        looking.result()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        loop.remove_signal_handler(signal.SIGWINCH)
