"""``states``: what each key holds on every node, as lines of JSON for somebody else to judge.

Where ``audit`` tells whether nodes differ, this tells what they hold. Keys in which nodes differ are looked at again
some times, so that each line says for how long they did.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from redis import exceptions as redis_errors
from tqdm import tqdm

from keydb_observer.audit_reading import states_at
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.json_lines import encode
from keydb_observer.nodes import Node
from keydb_observer.output import STANDARD_OUTPUT
from keydb_observer.settings import Settings
from keydb_observer.stream import or_raise
from keydb_observer.trouble import diagnose, is_wrong_type
from keydb_observer.wire import AsyncLink

OnProgress = Callable[[int, int], None]
"""Is given how many keys were read, of how many."""


class CannotReadError(Exception):
    """A node could not be asked, or not to the end. The text names it and says why."""


class KeyState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one node holds: ``value`` of a string, ``digest`` (hexadecimal) of any other type; "none" has neither.

    "changing" is what was of another type each time it was asked for.
    """

    type: str
    value: str | None = None
    digest: str | None = None


class KeyStates(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key by node. ``different_for_s`` is how long nodes were seen to differ in it, in seconds; None: never.

    Where they still differ it is at least so long.
    """

    key: str
    states: dict[str, KeyState]
    different_for_s: float | None = None

    @property
    def is_different(self) -> bool:
        """Whether two nodes hold different things."""
        return len(set(self.states.values())) > 1


ABSENT = KeyState("none")


@dataclass(frozen=True)
class Summary:
    """How many keys were read, in how many nodes differed at the first look, and in how many at the last."""

    keys: int
    differed: int
    different: int


async def read_states(
    audit: AuditSettings,
    settings: Settings,
    write: Callable[[KeyStates], None],
    on_progress: OnProgress = lambda _read, _all: None,
) -> Summary:
    """Gives each key of all ``settings.nodes`` to ``write``. Raises CannotReadError."""
    async with contextlib.AsyncExitStack() as stack:
        links = [await _connected(stack, node, settings) for node in settings.nodes]
        found: set[bytes] = set()
        for link in links:
            found.update([key async for key in _scan(link, audit)])
        keys = sorted(found)
        since: dict[bytes, float] = {}
        for start in range(0, len(keys), audit.batch):
            batch = keys[start : start + audit.batch]
            for key, states in zip(batch, await _look(links, batch), strict=True):
                if states.is_different:
                    since[key] = time.monotonic()
                else:
                    write(states)
            on_progress(start + len(batch), len(keys))
        return Summary(len(keys), len(since), await _follow(audit, links, since, write))


async def _follow(
    audit: AuditSettings, links: Sequence[AsyncLink], since: dict[bytes, float], write: Callable[[KeyStates], None]
) -> int:
    """Looks at keys in which nodes differ until they do not any more, or often enough; returns how many are left."""
    left = list(since)
    for look in range(1, audit.looks + 1):
        if not left:
            break
        await asyncio.sleep(audit.settle)
        still: list[bytes] = []
        for start in range(0, len(left), audit.batch):
            batch = left[start : start + audit.batch]
            for key, states in zip(batch, await _look(links, batch), strict=True):
                if states.is_different:
                    still.append(key)
                if look == audit.looks or not states.is_different:
                    lasted_s = round(time.monotonic() - since[key], 3)
                    write(msgspec.structs.replace(states, different_for_s=lasted_s))
        left = still
    return len(left)


async def _connected(stack: contextlib.AsyncExitStack, node: Node, settings: Settings) -> AsyncLink:
    with _naming(node):
        link = await AsyncLink.connect(node, settings, f"{settings.name}-states")
    stack.callback(link.close)
    return link


@contextlib.contextmanager
def _naming(node: Node) -> Iterator[None]:
    """Whatever goes wrong with a node is said with its name."""
    try:
        yield
    except Exception as error:  # what a node can do wrong has no end
        raise CannotReadError(f"{node}: {diagnose(error).text}") from None


async def _scan(link: AsyncLink, audit: AuditSettings) -> AsyncIterator[bytes]:
    cursor: bytes | int = 0
    while True:
        with _naming(link.node):
            command = ("SCAN", cursor, "MATCH", audit.match, "COUNT", audit.batch)
            cursor, keys = or_raise((await link.ask_all([command]))[0])
        for key in keys:
            yield key
        if int(cursor) == 0:
            return


async def _look(links: Sequence[AsyncLink], keys: Sequence[bytes]) -> list[KeyStates]:
    by_node = await asyncio.gather(*(_look_at(link, keys) for link in links))
    names = [link.node.name for link in links]
    return [
        KeyStates(_text(key), dict(zip(names, states, strict=True)))
        for key, states in zip(keys, zip(*by_node, strict=True), strict=True)
    ]


async def _look_at(link: AsyncLink, keys: Sequence[bytes]) -> list[KeyState]:
    with _naming(link.node):
        replies = await link.ask_all([("GET", key) for key in keys])
        others = [key for key, reply in zip(keys, replies, strict=True) if _is_other(reply)]
        found = dict(zip(others, await states_at(link, others) if others else [], strict=True))
        return [
            _of_other(found[key]) if key in found else _of_string(or_raise(reply))
            for key, reply in zip(keys, replies, strict=True)
        ]


def _is_other(reply: Any) -> bool:
    return isinstance(reply, redis_errors.ResponseError) and is_wrong_type(reply)


def _of_string(reply: bytes | None) -> KeyState:
    return ABSENT if reply is None else KeyState("string", value=_text(reply))


def _of_other(state: Any) -> KeyState:
    return KeyState("changing") if state is None else KeyState(state.kind, digest=state.digest.hex())


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def read_and_write(audit: AuditSettings, settings: Settings, logger: logging.Logger) -> int:
    """Reads, and writes the lines to ``audit.output`` as a whole or not at all.

    Returns the exit code: 0 where all was read, whatever it is, else 1.
    """
    wants_bar = sys.stderr.isatty() if audit.progress is None else audit.progress
    try:
        with _lines(audit.output or STANDARD_OUTPUT) as write, _bar(wants_bar) as on_progress:
            summary = uvloop.run(read_states(audit, settings, write, on_progress))
    except CannotReadError as error:
        logger.error("states: %s", error)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        logger.error("states: stopped before its end")
        return 1
    except OSError as error:
        logger.error("states: they cannot be written: %s", diagnose(error).text)
        return 1
    logger.info(
        "states: %d keys read; nodes differed in %d, and still do in %d",
        summary.keys,
        summary.differed,
        summary.different,
    )
    return 0


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Callable[[KeyStates], None]]:
    """There are too many to be kept: they go beside their place, and into it at the end."""
    if path == STANDARD_OUTPUT:
        yield lambda states: print(encode(states).decode())
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:

            def write(states: KeyStates) -> None:
                file.write(encode(states) + b"\n")

            yield write
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _bar(is_wanted: bool) -> Iterator[OnProgress]:
    if not is_wanted:
        yield lambda _read, _all: None
        return
    with tqdm(unit=" keys", dynamic_ncols=True, leave=False, mininterval=0.25) as bar:

        def show(read: int, all_keys: int) -> None:
            bar.total = all_keys
            bar.update(read - bar.n)

        yield show
