"""Which write is due when, to which key, and by whom: all of it follows from a write's number.

The load is an open loop: a write's time comes from the plan, and never from how long the ones before it took. A value
carries the time at which it was *meant* to be sent, so that a stall shows in the latency of every write that it held up
(Gil Tene calls leaving those out "coordinated omission").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.nodes import Node

ORDER = (
    "write i (from 0) is due at epoch + i / rate; it is write i // keys + 1 (its seq) of key i % keys; "
    "that key's writer is number i % keys % writers"
)
_LONGEST_NAME = 253
_FIELD = len(b',"payload":""')
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Plan:
    """``rate`` is writes/s over all writers, ``start_ns`` (Unix time) is when write 0 is due; it is also the epoch.

    ``size`` is what a value is padded to, in bytes.
    """

    rate: float
    keys: int
    size: int
    duration: float
    prefix: str
    writers: tuple[str, ...]
    start_ns: int

    @property
    def total(self) -> int:
        """How many writes there are; at least one."""
        return max(1, round(self.rate * self.duration))

    @property
    def interval_ns(self) -> float:
        """From one write to the next."""
        return NS_PER_SECOND / self.rate

    def due_ns(self, number: int) -> int:
        """When write ``number`` is to be sent (Unix time). Exact to 1 ns for the first 2^53 ns, some 100 days."""
        return self.start_ns + int(number * self.interval_ns)

    def due(self, now_ns: int) -> int:
        """How many writes are due by now."""
        if now_ns < self.start_ns:
            return 0
        # The division may be off by one where a write is due this very ns.
        number = max(0, math.floor((now_ns - self.start_ns) / self.interval_ns) - 1)
        while self.due_ns(number) <= now_ns:
            number += 1
        return min(number, self.total)

    def share(self, writer: int) -> Share:
        """The writes of this writer."""
        return Share(self, writer)


class Share:
    """One writer's writes, counted from 0 in the order in which they are due."""

    def __init__(self, plan: Plan, writer: int) -> None:
        self.plan = plan
        self.name = plan.writers[writer]
        self._keys = range(writer, plan.keys, len(plan.writers))
        self._key_prefix = plan.prefix.encode()
        self._templates: dict[tuple[int, int, bytes], bytes] = {}
        self.total = self._before(plan.total)

    def due(self, now_ns: int) -> int:
        """How many of them are due by now."""
        return self._before(self.plan.due(now_ns))

    def due_ns(self, place: int) -> int:
        """When the one at this place is to be sent (Unix time)."""
        return self.plan.due_ns(self.number(place))

    def number(self, place: int) -> int:
        """The number that it has among all writers' writes."""
        lap, key = divmod(place, len(self._keys))
        return lap * self.plan.keys + self._keys[key]

    def commands(self, first: int, last: int, suffix: bytes = b"") -> tuple[list[int], bytes]:
        """When those from place ``first`` to before ``last`` are to be sent (Unix time), and what to send.

        ``suffix`` is sent after each. What writes have in common is formatted once, not for each.
        """
        start_ns, interval_ns = self.plan.start_ns, self.plan.interval_ns
        dues: list[int] = []
        parts: list[bytes] = []
        for lap, keys in self._runs(first, last):
            offset = lap * self.plan.keys
            run = [start_ns + int((offset + key) * interval_ns) for key in keys]
            template = self._template(len(str(lap + 1)), len(str(keys[0])), suffix)
            parts += map(template.__mod__, zip(keys, repeat(lap + 1), run, strict=False))
            dues += run
        return dues, b"".join(parts)

    def _before(self, number: int) -> int:
        """How many of them have a lower number."""
        laps, rest = divmod(number, self.plan.keys)
        return laps * len(self._keys) + len(range(self._keys.start, rest, self._keys.step))

    def _runs(self, first: int, last: int) -> Iterator[tuple[int, range]]:
        """Stretches of one lap over the keys whose indexes have equally many digits, so that lengths are constant."""
        while first < last:
            lap, place = divmod(first, len(self._keys))
            keys = self._keys[place : place + last - first]
            keys = range(keys.start, min(keys.stop, 10 ** len(str(keys.start))), keys.step)
            yield lap, keys
            first += len(keys)

    def _template(self, seq_digits: int, key_digits: int, suffix: bytes) -> bytes:
        """A SET in the server's protocol, to be completed by a key's index, the seq and the time in ns."""
        known = self._templates.get((seq_digits, key_digits, suffix))
        if known:
            return known
        start = b'{"writer":"%b","epoch":%d,"seq":' % (self.name.encode(), self.plan.start_ns)
        middle = b',"t1_ns":'
        smallest = len(start) + seq_digits + len(middle) + len(str(self.plan.start_ns)) + len(b"}")
        end = _padding(self.plan.size - smallest) + b"}"
        template = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b%%d\r\n$%d\r\n%b%%d%b%%d%b\r\n%b" % (
            len(self._key_prefix) + key_digits,
            self._key_prefix.replace(b"%", b"%%"),
            smallest - len(b"}") + len(end),
            start,
            middle,
            end,
            suffix,
        )
        self._templates[seq_digits, key_digits, suffix] = template
        return template


def writer_names(name: str, nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """What the writers at these nodes are called. A node that has only an address gives what a name may hold of it."""
    if len(nodes) == 1:
        return (name,)
    return tuple(f"{name}-{_NOT_IN_NAMES.sub('-', node.name)}"[:_LONGEST_NAME] for node in nodes)


def _padding(missing: int) -> bytes:
    """So many bytes inside of a JSON object; white space where a payload's own name would be too long."""
    if missing < _FIELD:
        return b" " * missing
    return b',"payload":"%b"' % (b"x" * (missing - _FIELD))
