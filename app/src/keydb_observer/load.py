"""``load``: writes at a steady rate, whatever the servers do about it, and tells what they did.

How late a timer fires is a part of every latency that is measured against the plan. asyncio's own choice, epoll, rounds
up to whole milliseconds, so the loop is one on select(); and the kernel is asked not to put wake-ups off to make fewer
of them, as it may by 50 us. What remains is about 100 us.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import selectors
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from keydb_observer.duration import NS_PER_MILLISECOND, NS_PER_SECOND
from keydb_observer.load_connection import LoadConnection
from keydb_observer.load_facts import host_facts, program_versions, server_versions
from keydb_observer.load_plan import Plan, writer_names
from keydb_observer.load_result import LoadResult, WriterResult, render
from keydb_observer.load_sender import TROUBLES, Sender
from keydb_observer.load_settings import LoadSettings, WriteTo
from keydb_observer.load_tally import Tally
from keydb_observer.nodes import Node
from keydb_observer.output import STANDARD_OUTPUT, write_whole
from keydb_observer.settings import Settings
from keydb_observer.stream import Instant
from keydb_observer.trouble import diagnose

# What a stall held up is sent after the end, for so many seconds at most.
_GRACE_S = 10.0
# Between the moment when all is ready and the first write, so that that one is not late.
_LEAD_NS = 20 * NS_PER_MILLISECOND
_PROGRESS_EVERY_S = 0.25
# proc_pid_timerslack_ns(5): 0 would be the default.
_TIMER_SLACK = Path("/proc/self/timerslack_ns")

OnProgress = Callable[[Plan, Sequence[Tally]], None]
"""Is given the plan and every writer's tally."""
_Result = TypeVar("_Result")


class CannotStartError(Exception):
    """A node cannot be written to from the beginning. The text names it and says why."""


async def run_load(
    load: LoadSettings,
    settings: Settings,
    logger: logging.Logger,
    *,
    stop: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
) -> LoadResult:
    """Makes the load. ``stop`` ends it early; ``on_progress`` is called some times a second.

    Raises CannotStartError before anything is written.
    """
    write_node = settings.write_node or settings.read_node
    nodes = settings.nodes if load.writers is WriteTo.ALL else (write_node,)
    names = writer_names(settings.name, nodes)
    connections: list[LoadConnection] = []
    try:
        for name, node in zip(names, nodes, strict=True):
            connections.append(await _connected(node, settings, name))
        versions = await _versions(nodes, settings)
        began = Instant.now()
        plan = Plan(
            rate=load.rate,
            keys=load.keys,
            size=load.size,
            duration=load.duration,
            prefix=load.prefix,
            writers=names,
            start_ns=began.time_ns + _LEAD_NS,
        )

        def now_ns() -> int:
            """Unix time by the monotonic clock: a step of the time of day is no latency."""
            return began.time_ns + time.monotonic_ns() - began.monotonic_ns

        senders = [
            Sender(plan.share(place), connection, settings, load.durable, now_ns, logger)
            for place, connection in enumerate(connections)
        ]
        was_stopped = await _run(plan, senders, settings, stop or asyncio.Event(), on_progress)
        ended = Instant.now()
    finally:
        for connection in connections:
            connection.close()
    return LoadResult(
        plan=plan,
        load=load,
        settings=settings,
        writers=tuple(WriterResult(each.share.name, each.node, each.share.total, each.tally) for each in senders),
        was_stopped=was_stopped,
        clock_step_ns=(ended.time_ns - began.time_ns) - (ended.monotonic_ns - began.monotonic_ns),
        versions=versions,
        host=host_facts(),
    )


async def _connected(node: Node, settings: Settings, name: str) -> LoadConnection:
    try:
        return await LoadConnection.open(node, settings, name)
    except TROUBLES as error:
        raise CannotStartError(f"{node}: {diagnose(error).text}") from None


async def _versions(writers: Sequence[Node], settings: Settings) -> dict[str, object]:
    nodes = {node.address: node for node in (*writers, *settings.nodes)}.values()
    found = await asyncio.gather(*(server_versions(node, settings) for node in nodes))
    return {**program_versions(), "nodes": {node.name: said for node, said in zip(nodes, found, strict=True)}}


async def _run(
    plan: Plan, senders: Sequence[Sender], settings: Settings, stop: asyncio.Event, on_progress: OnProgress | None
) -> bool:
    """Returns whether it was stopped before its end."""
    end_ns = plan.start_ns + int((plan.duration + max(_GRACE_S, 2 * settings.timeout)) * NS_PER_SECOND)
    running = [asyncio.ensure_future(sender.run(end_ns)) for sender in senders]
    helpers = [asyncio.ensure_future(_stop_when_told(stop, senders))]
    tallies = [sender.tally for sender in senders]
    if on_progress:
        helpers.append(asyncio.ensure_future(_show_progress(plan, tallies, on_progress)))
    try:
        await asyncio.gather(*running)
    finally:
        for task in (*running, *helpers):
            task.cancel()
    if on_progress:
        on_progress(plan, tallies)
    return stop.is_set() and sum(tally.sent for tally in tallies) < plan.total


async def _stop_when_told(stop: asyncio.Event, senders: Sequence[Sender]) -> None:
    await stop.wait()
    for sender in senders:
        sender.stop()


async def _show_progress(plan: Plan, tallies: Sequence[Tally], on_progress: OnProgress) -> None:
    while True:
        on_progress(plan, tallies)
        await asyncio.sleep(_PROGRESS_EVERY_S)


def show_and_write(load: LoadSettings, settings: Settings, logger: logging.Logger) -> int:
    """Makes the load, prints what came of it, and writes it to a file if that is wanted. Returns the exit code.

    That is 0 also after SIGINT or SIGTERM, and 1 when it could not start or its result could not be written.
    """
    wants_bar = sys.stderr.isatty() if load.progress is None else load.progress
    try:
        with _bar(wants_bar, logger) as on_progress:
            result = _until_stopped(lambda stop: run_load(load, settings, logger, stop=stop, on_progress=on_progress))
    except CannotStartError as error:
        logger.error("load: %s", error)
        return 1
    # Somebody else reads what is JSON.
    print(render(result), file=sys.stderr if load.output == STANDARD_OUTPUT else sys.stdout)
    try:
        if load.output:
            write_whole(json.dumps(result.as_json(), indent=2) + "\n", load.output)
    except OSError as error:
        logger.error("load: the result cannot be written: %s", diagnose(error).text)
        return 1
    return 0


def _until_stopped(start: Callable[[asyncio.Event], Coroutine[Any, Any, _Result]]) -> _Result:
    with contextlib.suppress(OSError):
        _TIMER_SLACK.write_text("1", encoding="ascii")
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    # asyncio.Runner would do this, from Python 3.11 on.
    try:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return loop.run_until_complete(start(stop))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextlib.contextmanager
def _bar(is_wanted: bool, logger: logging.Logger) -> Iterator[OnProgress | None]:
    """A progress bar, above which log lines appear while there is one."""
    if not is_wanted:
        yield None
        return
    with (
        tqdm(unit=" writes", unit_scale=False, dynamic_ncols=True, leave=False, smoothing=0.5, mininterval=0) as bar,
        logging_redirect_tqdm([logger]),
    ):

        def show(plan: Plan, tallies: Sequence[Tally]) -> None:
            bar.total = plan.total
            settled = sum(tally.settled for tally in tallies)
            failed = sum(sum(tally.failed.values()) for tally in tallies)
            unknown = sum(tally.unknown for tally in tallies)
            in_flight = sum(tally.sent for tally in tallies) - settled
            bar.set_postfix_str(f"in flight {in_flight:,}, failed {failed:,}, unknown {unknown:,}", refresh=False)
            bar.update(settled - bar.n)

        yield show
