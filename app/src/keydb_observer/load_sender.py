"""One writer: sends its share of the plan when it is due, whatever the server does about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from redis import exceptions as redis_errors

from keydb_observer.duration import NS_PER_MILLISECOND, NS_PER_SECOND
from keydb_observer.load_connection import Alarm, LoadConnection
from keydb_observer.load_plan import Share
from keydb_observer.load_replies import Replies
from keydb_observer.load_tally import Tally
from keydb_observer.settings import Settings
from keydb_observer.stream import pack
from keydb_observer.trouble import Backoff, SilentNodeError, TroubleLog, diagnose

TROUBLES = (redis_errors.RedisError, OSError, asyncio.TimeoutError, ValueError)
"""What connecting and writing may raise; ValueError is a password file without a password."""

MOST_IN_FLIGHT = 100_000
"""Writes that may be without a reply, per writer. Sending goes on through a stall of 0.6 s at 150,000 writes/s, as far
as the kernel takes it; a lost connection leaves no more than this unknown; and it takes 4 MB."""

# KeyDB (built from its source at 603ebb27) answers a WAIT and then leaves the commands behind it alone until something
# more arrives: of 20 SETs with their WAITs in one piece it answered the first, in 6 trials of 6. So a SET travels with
# its WAIT, but not before the WAIT ahead of it is answered. On Redis 7.0, which does not need that, it makes 13,000 to
# 15,000 writes/s the most over loopback; but only what is done alike on all engines can be compared.
_MOST_DURABLE_IN_FLIGHT = 1
_TICK_NS = NS_PER_MILLISECOND
# A piece takes less than a millisecond to make: replies are not kept waiting, and large values do not fill memory.
_MOST_AT_ONCE = 2000
_MOST_BYTES_AT_ONCE = 1 << 18


class Sender:
    """``connection`` is its first one. ``now_ns`` is the clock that the plan is in."""

    def __init__(
        self,
        share: Share,
        connection: LoadConnection,
        settings: Settings,
        durable: int,
        now_ns: Callable[[], int],
        logger: logging.Logger,
    ) -> None:
        self.share = share
        self.node = connection.node
        self.tally = Tally()
        self._settings = settings
        self._now_ns = now_ns
        self._suffix = pack(("WAIT", durable, int(settings.timeout * 1000))) if durable else b""
        # The server says nothing for as long as it waits for replicas.
        self._patience_ns = int(settings.timeout * NS_PER_SECOND) * (2 if durable else 1)
        self._most_in_flight = _MOST_DURABLE_IN_FLIGHT if durable else MOST_IN_FLIGHT
        self._at_once = max(1, min(_MOST_AT_ONCE, _MOST_BYTES_AT_ONCE // max(share.plan.size, 1)))
        self._trouble = TroubleLog(logger, f"load: writing to {self.node}")
        self._backoff = Backoff(cap_s=1.0)
        self._alarm = Alarm()
        self._new_replies = partial(Replies, self.tally, durable, now_ns, logger)
        self._connection: LoadConnection | None = None
        self._heard_ns = 0
        self._held_since_ns: int | None = None
        self._lost_ns: int | None = None
        self._until_ns = 0
        self._is_stopping = False
        self._attach(connection)

    def _attach(self, connection: LoadConnection) -> None:
        self._connection = connection
        self._replies = self._new_replies()
        connection.attach(self._replies.take, self._changed)

    async def run(self, until_ns: int) -> None:
        """Returns when all is sent and has its replies, at ``until_ns`` at the latest."""
        self._until_ns = until_ns
        try:
            while not self._is_over():
                try:
                    await self._write_on()
                except TROUBLES as error:
                    self._trouble.failed(diagnose(error))
                    self._lost_ns = self._lost_ns or self._now_ns()
                    self.close()
                    if not self._is_over():
                        await self._alarm.wait(self._backoff.failed())
        finally:
            self._note_connected()
            self.close()

    def stop(self) -> None:
        """Sends no more. What is in flight gets as long for its replies as a server may be silent."""
        self._is_stopping = True
        self._until_ns = min(self._until_ns, self._now_ns() + self._patience_ns)
        self._alarm.ring()

    def close(self) -> None:
        """Closes the connection; what is in flight becomes unknown."""
        if self._connection:
            self._connection.close()
            self._connection = None
        self._replies.give_up()
        self._release(self._now_ns())

    async def _write_on(self) -> None:
        """On the connection that there is, or a new one. Raises why it was lost."""
        if self._connection is None:
            self._attach(await LoadConnection.open(self.node, self._settings, self.share.name))
            self.tally.reconnects += 1
            self._trouble.well()
            self._note_connected()
        self._backoff.succeeded()
        await self._send_on()

    def _note_connected(self) -> None:
        if self._lost_ns:
            self.tally.disconnected_ns += self._now_ns() - self._lost_ns
            self._lost_ns = None

    def _is_over(self) -> bool:
        has_sent_all = self._is_stopping or self.tally.sent == self.share.total
        return (has_sent_all and not self._replies.in_flight) or self._now_ns() >= self._until_ns

    async def _send_on(self) -> None:
        """Sends what is due for as long as the connection lasts. Raises why it did not."""
        connection = self._connection
        while connection and not self._is_over():
            if connection.error:
                raise connection.error
            now_ns = self._now_ns()
            in_flight = self._replies.in_flight
            if in_flight and now_ns - self._heard_ns > self._patience_ns:
                raise SilentNodeError(f"no reply for {self._patience_ns / NS_PER_SECOND:g} seconds")
            due = 0 if self._is_stopping else self.share.due(now_ns) - self.tally.sent
            room = 0 if connection.is_full else self._most_in_flight - in_flight
            piece = min(due, room, self._at_once)
            if piece > 0:
                self._send(connection, piece, now_ns)
                if piece < due:
                    # It is behind, and has to take replies all the same.
                    await asyncio.sleep(0)
                    continue
            elif due > 0:
                self._held_since_ns = self._held_since_ns or now_ns
            await self._alarm.wait((self._next_look_ns(now_ns) - self._now_ns()) / NS_PER_SECOND)

    def _send(self, connection: LoadConnection, count: int, now_ns: int) -> None:
        self._release(now_ns)
        if not self._replies.in_flight:
            self._heard_ns = now_ns
        first = self.tally.sent
        dues_ns, data = self.share.commands(first, first + count, self._suffix)
        self._replies.expect(dues_ns)
        connection.send(data)
        self.tally.note_sent(dues_ns, self._now_ns())

    def _release(self, now_ns: int) -> None:
        """The server takes more, or there is none."""
        if self._held_since_ns:
            self.tally.held_back_ns += now_ns - self._held_since_ns
            self._held_since_ns = None

    def _next_look_ns(self, now_ns: int) -> int:
        """When there will be something to do even if nothing arrives.

        A write that is due alone is sent when it is due, and those of a millisecond together at its end.
        """
        look_ns = self._until_ns
        if not self._waits_for_server():
            start_ns = self.share.plan.start_ns
            tick_ns = start_ns + ((now_ns - start_ns) // _TICK_NS + 1) * _TICK_NS
            look_ns = min(look_ns, max(self.share.due_ns(self.tally.sent), tick_ns))
        if self._replies.in_flight:
            look_ns = min(look_ns, self._heard_ns + self._patience_ns + 1)
        return look_ns

    def _waits_for_server(self) -> bool:
        """Whether it depends on the server alone when it can go on."""
        return self._is_stopping or self._held_since_ns is not None or self.tally.sent == self.share.total

    def _changed(self) -> None:
        """Something arrived, or the connection can take more, or is lost."""
        self._heard_ns = self._now_ns()
        # Replies alone are no reason to look for something to send before it is due.
        if self._waits_for_server() or (self._connection and self._connection.error):
            self._alarm.ring()
