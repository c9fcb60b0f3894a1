"""How the cluster and its observers are: asks every node at once, and puts the answers together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import redis.asyncio

from keydb_observer.connection import async_client, drop_connections
from keydb_observer.messages import Handshake, MalformedError, Mode, SharedValue, handshake_key
from keydb_observer.node_facts import NodeFacts
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings
from keydb_observer.trouble import diagnose


@dataclass(frozen=True)
class Answer:
    """What one node said: its facts and the keys it holds, or else why it could not be asked."""

    node: Node
    facts: NodeFacts | None = None
    value: SharedValue | None = None
    handshakes: tuple[Handshake, ...] = ()
    unreachable: str | None = None


@dataclass(frozen=True)
class ObserverStatus:
    """An observer, and the last write that it made (writer) or saw (listeners). In ns; None where there is nothing."""

    name: str
    epoch: int
    seq: int
    t1_ns: int
    age_ns: int
    count: int | None = None
    missed: int | None = None
    p50_ns: int | None = None
    p99_ns: int | None = None
    max_ns: int | None = None


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


async def ask_cluster(settings: Settings, now_ns: int) -> ClusterStatus:
    """Asks every node at the same time. A node that does not answer takes at most twice ``settings.timeout``."""
    return put_together(await asyncio.gather(*(_ask(node, settings) for node in settings.nodes)), now_ns)


def put_together(answers: Sequence[Answer], now_ns: int) -> ClusterStatus:
    """Finds out which observer runs where.

    The nodes may hold different versions of one key while a link is down, so the newest of each counts.
    """
    values = [answer.value for answer in answers if answer.value]
    newest_value = max(values, key=lambda value: value.t1_ns, default=None)
    newest: dict[tuple[str, str], Handshake] = {}
    for handshake in (handshake for answer in answers for handshake in answer.handshakes):
        who = (handshake.host, handshake.listener)
        if who not in newest or handshake.t3_ns > newest[who].t3_ns:
            newest[who] = handshake

    def observers_on(name: str) -> tuple[ObserverStatus, ...]:
        there = []
        if newest_value and newest_value.writer == name:
            there.append(_writer_status(newest_value, now_ns))
        listeners = (newest.get((name, mode.listener)) for mode in Mode)
        there.extend(_listener_status(handshake, now_ns) for handshake in listeners if handshake)
        return tuple(there)

    return ClusterStatus(
        tuple(
            NodeStatus(answer.node, answer.facts, answer.unreachable, observers_on(answer.node.name))
            for answer in answers
        )
    )


async def _ask(node: Node, settings: Settings) -> Answer:
    client = async_client(node, settings)
    try:
        return await asyncio.wait_for(_question(client, node, settings), 2 * settings.timeout)
    except Exception as error:  # one node's trouble is a row of the table, whatever it is
        return Answer(node, unreachable=diagnose(error).text)
    finally:
        await drop_connections(client)


async def _question(client: redis.asyncio.Redis, node: Node, settings: Settings) -> Answer:
    facts = NodeFacts.from_info(await client.info(), len(settings.nodes))
    if facts.is_loading:
        return Answer(node, unreachable="it is loading its data")
    pipeline = client.pipeline(transaction=False)
    pipeline.get(settings.key)
    for host in settings.nodes:
        for mode in Mode:
            pipeline.get(handshake_key(host.name, mode))
    raw_value, *raw_handshakes = await pipeline.execute(raise_on_error=False)
    handshakes = (_parsed(Handshake, raw) for raw in raw_handshakes)
    return Answer(
        node, facts, _parsed(SharedValue, raw_value), tuple(handshake for handshake in handshakes if handshake)
    )


def _parsed(kind: Any, raw: object) -> Any:
    """None where the key is absent, holds a foreign value, or may not be read."""
    try:
        return kind.parse(raw) if isinstance(raw, bytes) else None
    except MalformedError:
        return None


def _writer_status(value: SharedValue, now_ns: int) -> ObserverStatus:
    return ObserverStatus("writer", value.epoch, value.seq, value.t1_ns, now_ns - value.t1_ns)


def _listener_status(handshake: Handshake, now_ns: int) -> ObserverStatus:
    return ObserverStatus(
        handshake.listener,
        handshake.epoch,
        handshake.seq,
        handshake.t1_ns,
        now_ns - handshake.t1_ns,
        **asdict(handshake.stats),
    )


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
        "observers": [asdict(observer) for observer in status.observers],
    }
