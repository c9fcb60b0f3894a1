"""How the cluster and its observers are: asks every node at once, and puts the answers together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
import redis.asyncio

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.messages import (
    Counts,
    Distribution,
    Handshake,
    MalformedError,
    Mode,
    Report,
    SharedValue,
    handshake_key,
    report_key,
)
from keydb_observer.node_facts import Counters, NodeFacts
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose

# A listener reports at least every five seconds. Clocks of hosts that are looked after differ by less than the rest.
_STALE_NS = 10 * NS_PER_SECOND
_OLD_NS = 60 * NS_PER_SECOND


@dataclass(frozen=True)
class Answer:
    """What one node said: its facts and the keys it holds, or else why it could not be asked.

    ``asked`` is how many commands that took.
    """

    node: Node
    facts: NodeFacts | None = None
    value: SharedValue | None = None
    handshakes: tuple[Handshake, ...] = ()
    reports: tuple[Report, ...] = ()
    unreachable: str | None = None
    counters: Counters | None = None
    asked: int = 0


@dataclass(frozen=True)
class ObserverStatus:
    """An observer, and the last write that it made (writer) or answered (listeners). Times are in ns.

    ``error_ns`` is how far its host's clock may be off. The rest is what a listener's latest report says, and how old
    that is; it is ``stale`` when there should have been a later one. What is not known is None.
    """

    name: str
    epoch: int | None = None
    seq: int | None = None
    t1_ns: int | None = None
    age_ns: int | None = None
    error_ns: int | None = None
    counts: Counts | None = None
    run: Distribution | None = None
    minute: Distribution | None = None
    follows: str | None = None
    reconnects: int | None = None
    resyncs: int | None = None
    report_age_ns: int | None = None
    stale: bool = False


@dataclass(frozen=True)
class NodeStatus:
    """A node, and the observers that run on the host of that name."""

    node: Node
    facts: NodeFacts | None
    unreachable: str | None
    observers: tuple[ObserverStatus, ...] = field(default=())

    @property
    def is_well(self) -> bool:
        """Whether it answers and has all its links."""
        return self.facts is not None and self.facts.links_up >= self.facts.links_expected


@dataclass(frozen=True)
class ClusterStatus:
    """All the nodes, in the order in which they were named."""

    nodes: tuple[NodeStatus, ...]

    @property
    def is_well(self) -> bool:
        """Whether every node answers and has all its links."""
        return all(node.is_well for node in self.nodes)

    def as_json(self) -> dict[str, Any]:
        """The same facts for programs. Times are ns, ``t1_ns`` is Unix time."""
        return {"ok": self.is_well, "nodes": [_node_as_json(node) for node in self.nodes]}


async def ask_cluster(settings: Settings) -> ClusterStatus:
    """Asks every node at the same time. A node that does not answer takes at most twice ``settings.timeout``."""
    answers = await asyncio.gather(*(_ask(node, settings) for node in settings.nodes))
    # Only now: a write that came while it was asking is not from the future.
    return put_together(answers, time.time_ns())


def put_together(answers: Sequence[Answer], now_ns: int) -> ClusterStatus:
    """Finds out which observer runs where.

    The nodes may hold different versions of one key while a link is down, so the newest of each counts.
    """
    values = [answer.value for answer in answers if answer.value]
    newest_value = max(values, key=lambda value: value.t1_ns, default=None)
    handshakes = newest((found for answer in answers for found in answer.handshakes), lambda found: found.t3_ns)
    reports = newest((found for answer in answers for found in answer.reports), lambda found: found.sent_ns)
    signs_of_life = [
        *(value.t1_ns for value in values),
        *(handshake.t3_ns for handshake in handshakes.values()),
        *(report.sent_ns for report in reports.values()),
    ]
    # What seems to come from the future was made just now.
    latest_ns = min(max(signs_of_life, default=now_ns), now_ns)

    def observers_on(host: str) -> tuple[ObserverStatus, ...]:
        there = []
        if newest_value and newest_value.writer == host:
            there.append(_writer_status(newest_value, now_ns))
        for mode in Mode:
            handshake, report = handshakes.get((host, mode.listener)), reports.get((host, mode.listener))
            if handshake or report:
                there.append(_listener_status(mode.listener, handshake, report, latest_ns, now_ns))
        return tuple(there)

    return ClusterStatus(
        tuple(
            NodeStatus(answer.node, answer.facts, answer.unreachable, observers_on(answer.node.name))
            for answer in answers
        )
    )


_FromListener = TypeVar("_FromListener", Handshake, Report)


def newest(
    messages: Iterable[_FromListener], when_ns: Callable[[_FromListener], int]
) -> Mapping[tuple[str, str], _FromListener]:
    """The newest of each listener, by its host and name."""
    found: dict[tuple[str, str], _FromListener] = {}
    for message in messages:
        who = (message.host, message.listener)
        if who not in found or when_ns(message) > when_ns(found[who]):
            found[who] = message
    return found


async def _ask(node: Node, settings: Settings) -> Answer:
    client = async_client(node, settings)
    try:
        return await asyncio.wait_for(question(client, node, settings), 2 * settings.timeout)
    except Exception as error:  # one node's trouble is a row of the table, whatever it is
        return Answer(node, unreachable=diagnose(error).text)
    finally:
        await drop_connections(client)


async def question(client: redis.asyncio.Redis, node: Node, settings: Settings) -> Answer:
    """What this node says over this client. Raises whatever keeps it from answering."""
    info = await client.info()
    facts = NodeFacts.from_info(info, len(settings.nodes))
    if facts.is_loading:
        return Answer(node, unreachable="it is loading its data")
    listeners = [(host.name, mode) for host in settings.nodes for mode in Mode]
    reports = [report_key(host, mode) for host, mode in listeners]
    # One that listens to several keys answers each under a key of its own.
    handshakes = [handshake_key(host, mode, key) for host, mode in listeners for key in (None, settings.key)]
    keys = (settings.key, *reports, *handshakes)
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.get(key)
    raw_value, *raw = await pipeline.execute(raise_on_error=False)
    return Answer(
        node,
        facts,
        _parsed(SharedValue, raw_value),
        tuple(filter(None, (_parsed(Handshake, found) for found in raw[len(reports) :]))),
        tuple(filter(None, (_parsed(Report, found) for found in raw[: len(reports)]))),
        counters=Counters.from_info(info),
        asked=1 + len(keys),
    )


def _parsed(kind: Any, raw: object) -> Any:
    """None where the key is absent, holds a foreign value, or may not be read."""
    try:
        return kind.parse(raw) if isinstance(raw, bytes) else None
    except MalformedError:
        return None


def _writer_status(value: SharedValue, now_ns: int) -> ObserverStatus:
    return ObserverStatus("writer", value.epoch, value.seq, value.t1_ns, now_ns - value.t1_ns, value.error_ns)


def _listener_status(
    name: str, handshake: Handshake | None, report: Report | None, latest_ns: int, now_ns: int
) -> ObserverStatus:
    status = ObserverStatus(name)
    if handshake:
        status = replace(
            status,
            epoch=handshake.epoch,
            seq=handshake.seq,
            t1_ns=handshake.t1_ns,
            age_ns=now_ns - handshake.t1_ns,
        )
    if report:
        status = replace(
            status,
            error_ns=report.error_ns,
            counts=report.counts,
            run=report.run,
            minute=report.minute,
            follows=report.node,
            reconnects=report.reconnects,
            resyncs=report.resyncs,
            report_age_ns=now_ns - report.sent_ns,
            stale=latest_ns - report.sent_ns > _STALE_NS or now_ns - report.sent_ns > _OLD_NS,
        )
    return status


def _node_as_json(status: NodeStatus) -> dict[str, Any]:
    facts = status.facts
    return {
        "node": status.node.name,
        "address": status.node.address,
        "ok": status.is_well,
        "unreachable": status.unreachable,
        "role": facts.role if facts else None,
        "engine": facts.engine if facts else None,
        "version": facts.version if facts else None,
        "links_up": facts.links_up if facts else None,
        "links_expected": facts.links_expected if facts else None,
        "links": [{"peer": link.peer, "up": link.is_up} for link in facts.links] if facts else [],
        "observers": [msgspec.to_builtins(observer) for observer in status.observers],
    }
