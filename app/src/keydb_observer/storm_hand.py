"""One connection of a storm, on which one operation is under way at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from redis import exceptions as redis_errors

from keydb_observer.history import Do, Operation, Outcome
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.storm_plan import command_of
from keydb_observer.trouble import Backoff, SilentNodeError, TroubleLog, diagnose
from keydb_observer.wire import AsyncLink

_LOOK_S = 0.1
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.05, 1.0
# WAIT has to answer before its server counts as lost.
_WAIT_SHARE = 2 / 3

OnSettled = Callable[[Operation], None]
"""Is given an operation with its outcome."""


class Troubles:
    """Of all connections to one node, said once for all of them."""

    def __init__(self, logger: logging.Logger, node: Node) -> None:
        self._log = TroubleLog(logger, f"storm: writing to {node}")
        self._troubled: set[Hand] = set()

    def failed(self, hand: Hand, error: Exception) -> None:
        """This one's is lost, or cannot be made."""
        self._troubled.add(hand)
        self._log.failed(diagnose(error))

    def well(self, hand: Hand) -> None:
        """This one's is there."""
        self._troubled.discard(hand)
        if not self._troubled:
            self._log.well()


class Hand:
    """Connects, and goes on connecting. ``start`` an operation while it is free.

    With ``durable`` each operation is followed by WAIT for so many replicas. KeyDB leaves alone what stands behind a
    WAIT until something more arrives, so nothing does: the next operation comes when the WAIT is answered.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        durable: int,
        now_ns: Callable[[], int],
        on_settled: OnSettled,
        troubles: Troubles,
    ) -> None:
        self._node = node
        self._settings = settings
        self._durable = durable
        self._wait_ms = int(settings.timeout * _WAIT_SHARE * 1000)
        self._now_ns = now_ns
        self._on_settled = on_settled
        self._troubles = troubles
        self._backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S)
        self._link: AsyncLink | None = None
        self._operation: Operation | None = None
        self._deadline = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_free(self) -> bool:
        """Whether it is connected and has nothing to do."""
        return self._link is not None and self._operation is None

    async def finish(self) -> None:
        """Returns when nothing is under way."""
        await self._idle.wait()

    async def run(self) -> NoReturn:
        """Never returns by itself, whatever the server does."""
        while True:
            try:
                await self._serve()
            except Exception as error:  # a storm outlives whatever it meets
                self._troubles.failed(self, error)
                self._lost(diagnose(error).text)
            await asyncio.sleep(self._backoff.failed())

    async def _serve(self) -> NoReturn:
        self._link = link = await AsyncLink.connect(self._node, self._settings, f"{self._settings.name}-storm")
        self._troubles.well(self)
        self._backoff.succeeded()
        while True:
            await link.wait(_LOOK_S)
            if self._operation and time.monotonic() >= self._deadline:
                raise SilentNodeError(f"no reply for {self._settings.timeout:g} seconds")

    def start(self, operation: Operation) -> None:
        """Sends it. Its outcome goes to ``on_settled``, at once if the connection turns out to be lost."""
        self._operation = operation
        self._idle.clear()
        self._deadline = time.monotonic() + self._settings.timeout
        try:
            if self._link is None:
                raise redis_errors.ConnectionError("there is none")
            self._link.ask(command_of(operation), self._replied)
        except (redis_errors.RedisError, OSError) as error:
            self._settle(Outcome.FAILED, f"not sent: {diagnose(error).text}")
            return
        if self._durable:
            self._link.ask(("WAIT", self._durable, self._wait_ms), self._confirmed)

    def close(self) -> None:
        """Closes the connection; what is under way becomes unknown."""
        self._lost("stopped before there was a reply")

    def _lost(self, why: str) -> None:
        if self._link:
            self._link.close()
            self._link = None
        operation = self._operation
        if operation is None:
            return
        if operation.is_acknowledged:
            why = f"wait: {why}"
        # A server that refused it has said why; only the reply to its WAIT is missing.
        self._settle(operation.outcome, why if operation.may_be_done else operation.why)

    def _replied(self, reply: Any) -> None:
        operation = self._operation
        if operation is None:
            return
        if isinstance(reply, Exception):
            operation = msgspec.structs.replace(operation, outcome=Outcome.FAILED, why=diagnose(reply).text)
        else:
            value = str(reply) if operation.do in (Do.INCR, Do.DEL) else operation.value
            operation = msgspec.structs.replace(operation, outcome=Outcome.ACKNOWLEDGED, value=value, why="")
        self._operation = operation
        if not self._durable:
            self._settle(operation.outcome, operation.why)

    def _confirmed(self, reply: Any) -> None:
        operation = self._operation
        if operation is None:
            return
        if not operation.is_acknowledged:
            self._settle(operation.outcome, operation.why)
        elif isinstance(reply, int):
            is_durable = reply >= self._durable
            self._settle(operation.outcome, "" if is_durable else f"wait: {reply}", durable=int(is_durable))
        else:
            self._settle(operation.outcome, f"wait: {diagnose(reply).text}")

    def _settle(self, outcome: Outcome, why: str, durable: int = 0) -> None:
        operation, self._operation = self._operation, None
        self._idle.set()
        if operation:
            done_ns = self._now_ns()
            self._on_settled(
                msgspec.structs.replace(operation, outcome=outcome, why=why, durable=durable, done_ns=done_ns)
            )
