"""Takes replies to writes apart and enters them into the tally. Does no input or output."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import hiredis
from redis import exceptions as redis_errors

from keydb_observer.load_tally import Tally
from keydb_observer.stream import error_reply
from keydb_observer.trouble import diagnose

_OK = b"+OK\r\n"
# More than asyncio hands over at once.
_MANY_OKS = _OK * (1 << 16)


class Replies:
    """Of one connection. ``expect`` what was sent, ``take`` what arrives.

    As a rule all that arrives is so many times the same OK, which is recognized and counted as a whole. hiredis reads
    everything else. With ``durable`` each write has a second reply, that of WAIT: how many replicas have confirmed it.
    """

    def __init__(self, tally: Tally, durable: int, now_ns: Callable[[], int], logger: logging.Logger) -> None:
        self._tally = tally
        self._durable = durable
        self._now_ns = now_ns
        self._logger = logger
        self._reader = hiredis.Reader(replyError=error_reply)
        self._dues: deque[int] = deque()
        self._is_waits_turn = False
        # When the write that the next WAIT is about was due; None if that one failed.
        self._confirming: int | None = None
        self._kinds: dict[type[BaseException], str] = {}

    @property
    def in_flight(self) -> int:
        """How many writes are without all of their replies."""
        return len(self._dues) + self._is_waits_turn

    def expect(self, dues_ns: Iterable[int]) -> None:
        """These writes, in this order, are being sent."""
        self._dues.extend(dues_ns)

    def take(self, data: bytes) -> None:
        """Raises redis-py's InvalidResponse when that is no reply, or one to nothing."""
        now_ns = self._now_ns()
        if not self._durable and not self._reader.has_data() and _MANY_OKS.startswith(data):
            count, cut = divmod(len(data), len(_OK))
            if cut:
                self._reader.feed(data[-cut:])
            self._acknowledge(count, now_ns)
            return
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._one(reply, now_ns)
        except hiredis.ProtocolError as error:
            raise redis_errors.InvalidResponse(f"it does not speak the protocol: {error}") from None

    def give_up(self) -> None:
        """No reply will come any more."""
        self._tally.unknown += len(self._dues)
        self._dues.clear()
        self._is_waits_turn = False
        self._confirming = None

    def _acknowledge(self, count: int, now_ns: int) -> None:
        if count > len(self._dues):
            raise _unasked()
        next_due = self._dues.popleft
        self._tally.note_acknowledged([next_due() for _ in range(count)], now_ns)

    def _one(self, reply: Any, now_ns: int) -> None:
        if type(reply) is hiredis.PushNotification:
            return
        if self._is_waits_turn:
            self._confirmed(reply, now_ns)
            return
        if not self._dues:
            raise _unasked()
        due_ns = self._dues.popleft()
        self._is_waits_turn = bool(self._durable)
        if isinstance(reply, Exception):
            self._confirming = None
            self._tally.note_failed(self._kind(reply, "a write fails"), now_ns)
        else:
            self._confirming = due_ns
            self._tally.note_acknowledged((due_ns,), now_ns)

    def _confirmed(self, reply: Any, now_ns: int) -> None:
        self._is_waits_turn = False
        if self._confirming is None:
            return
        if isinstance(reply, Exception):
            self._kind(reply, "WAIT fails, so no write is known to be durable")
        elif isinstance(reply, int) and reply >= self._durable:
            self._tally.note_durable(self._confirming, now_ns)

    def _kind(self, error: Exception, what: str) -> str:
        """The kind of trouble, which is said when it is met first. Diagnosing each would take longer than writing."""
        kind = self._kinds.get(type(error))
        if kind is None:
            trouble = diagnose(error)
            kind = self._kinds[type(error)] = trouble.kind
            self._logger.warning("%s: %s", what, trouble.text)
        return kind


def _unasked() -> Exception:
    return redis_errors.InvalidResponse("a reply to nothing that was asked")
