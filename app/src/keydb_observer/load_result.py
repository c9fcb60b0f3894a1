"""What a load was, and what came of it: as JSON to keep, and as lines to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keydb_observer.duration import NS_PER_MILLISECOND, NS_PER_SECOND, latency_text
from keydb_observer.histogram import Histogram
from keydb_observer.load_plan import ORDER, Plan
from keydb_observer.load_settings import LoadSettings
from keydb_observer.load_tally import Tally
from keydb_observer.nodes import Node
from keydb_observer.settings import Settings

SCHEMA = 1
LARGEST_LAG_NS = 10 * NS_PER_MILLISECOND
"""A generator whose 99th percentile of lag is above this did not keep up with its plan."""

_PERCENTS = {"p50_ns": 50.0, "p90_ns": 90.0, "p99_ns": 99.0, "p999_ns": 99.9}


@dataclass(frozen=True)
class WriterResult:
    """One writer, by its name in values, and the node that it wrote to."""

    name: str
    node: Node
    planned: int
    tally: Tally


@dataclass(frozen=True)
class LoadResult:
    """``was_stopped`` is whether somebody ended it early. The mappings are as in ``load_facts``.

    ``clock_step_ns`` is how far the time of day moved against the monotonic clock, which intended times follow.
    """

    plan: Plan
    load: LoadSettings
    settings: Settings
    writers: tuple[WriterResult, ...]
    was_stopped: bool
    clock_step_ns: int
    versions: Mapping[str, object]
    host: Mapping[str, object]

    @cached_property
    def tally(self) -> Tally:
        """All writers' together."""
        total = Tally()
        for writer in self.writers:
            total.add(writer.tally)
        return total

    @property
    def is_complete(self) -> bool:
        """Whether all that was planned was sent."""
        return not self.was_stopped and self.tally.sent == self.plan.total

    @property
    def kept_up(self) -> bool:
        """Whether writes left when they were meant to."""
        return (self.tally.send_lag.percentile(99) or 0) <= LARGEST_LAG_NS

    def rate(self, count: int, last_ns: int) -> float:
        """``count`` per second, from the start to ``last_ns`` (Unix time) but no faster than was planned."""
        elapsed_ns = max(last_ns - self.plan.start_ns, count * self.plan.interval_ns)
        return count * NS_PER_SECOND / elapsed_ns if count else 0.0

    def as_json(self) -> dict[str, Any]:
        """Times are in ns where the name says so, else in seconds; rates in writes/s."""
        total = self.tally
        durable = {"durable_ack": _histogram(total.durable_ack)} if self.load.durable else {}
        return {
            "schema": SCHEMA,
            "started": self.plan.start_ns,
            "complete": self.is_complete,
            "generator_kept_up": self.kept_up,
            "plan": self._plan(),
            "offered_rate": self.rate(total.sent, total.last_sent_ns),
            "achieved_rate": self.rate(total.acknowledged, total.last_reply_ns),
            "counts": self._counts(total, self.plan.total),
            "histograms": {"ack": _histogram(total.ack), **durable, "send_lag": _histogram(total.send_lag)},
            "writers": [
                {
                    "node": writer.node.name,
                    "address": writer.node.address,
                    "name": writer.name,
                    "counts": self._counts(writer.tally, writer.planned),
                    "reconnects": writer.tally.reconnects,
                    "held_back_ns": writer.tally.held_back_ns,
                    "disconnected_ns": writer.tally.disconnected_ns,
                }
                for writer in self.writers
            ],
            "clock_step_ns": self.clock_step_ns,
            "versions": self.versions,
            "host": self.host,
            "configuration": self._configuration(),
        }

    def _plan(self) -> dict[str, Any]:
        return {
            "rate": self.plan.rate,
            "keys": self.plan.keys,
            "size": self.plan.size,
            "duration": self.plan.duration,
            "writers": list(self.plan.writers),
            "prefix": self.plan.prefix,
            "epoch": self.plan.start_ns,
            "durable": self.load.durable,
            "writes": self.plan.total,
            "order": ORDER,
        }

    def _counts(self, tally: Tally, planned: int) -> dict[str, Any]:
        durable = {"durable": tally.durable, "not_durable": tally.not_durable} if self.load.durable else {}
        return {
            "planned": planned,
            "sent": tally.sent,
            "not_sent": planned - tally.sent,
            "acknowledged": tally.acknowledged,
            **durable,
            "failed": dict(tally.failed),
            "unknown": tally.unknown,
        }

    def _configuration(self) -> dict[str, Any]:
        return {
            "tls": self.settings.tls is not None,
            "user": (self.settings.credentials.username if self.settings.credentials else None) or "default",
            "timeout": self.settings.timeout,
        }


def render(result: LoadResult) -> str:
    """Some aligned lines for a terminal."""
    total = result.tally
    offered, achieved = (
        f"{result.rate(count, last_ns):,.1f}"
        for count, last_ns in ((total.sent, total.last_sent_ns), (total.acknowledged, total.last_reply_ns))
    )
    rows = [
        ("planned", result.plan.total, _plan_text(result)),
        ("sent", total.sent, f"{offered} writes/s offered"),
        ("acknowledged", total.acknowledged, f"{achieved} writes/s achieved"),
    ]
    if result.load.durable:
        rows += [
            ("durable", total.durable, f"confirmed by {_counted(result.load.durable, 'replica')} or more"),
            ("not durable", total.not_durable, f"not within {result.settings.timeout:g} s"),
        ]
    rows += [
        ("failed", sum(total.failed.values()), ", ".join(f"{kind} {n:,}" for kind, n in total.failed.most_common())),
        ("unknown", total.unknown, "their replies never came" if total.unknown else ""),
    ]
    if total.sent < result.plan.total:
        rows.append(("not sent", result.plan.total - total.sent, ""))
    width = max(len(f"{count:,}") for _, count, _ in rows)
    lines = [f"{name:<12}  {count:>{width},}  {remark}".rstrip() for name, count, remark in rows]
    return "\n".join([*lines, "", *_latencies(result, total), *_remarks(result, total)])


def _plan_text(result: LoadResult) -> str:
    plan = result.plan
    keys = f"{plan.prefix}0" + (f" to {plan.prefix}{plan.keys - 1}" if plan.keys > 1 else "")
    where = ", ".join(writer.node.name for writer in result.writers)
    tls = "with TLS" if result.settings.tls else "without TLS"
    return f"{plan.rate:,.10g} writes/s for {plan.duration:g} s, {keys}, at {where} {tls}"


def _latencies(result: LoadResult, total: Tally) -> Iterator[str]:
    yield f"{'':<12}" + "".join(f"{name:>12}" for name in ("P50", "P90", "P99", "P99.9", "MAX"))
    named = [("acknowledged", total.ack), ("send lag", total.send_lag)]
    if result.load.durable:
        named.insert(1, ("durable", total.durable_ack))
    for name, histogram in named:
        cells = [*histogram.percentiles(list(_PERCENTS.values())), histogram.max_ns]
        texts = ("-" if cell is None else latency_text(cell) for cell in cells)
        yield f"{name:<12}" + "".join(f"{text:>12}" for text in texts)
    yield "Times are from when a write was meant to be sent."


def _remarks(result: LoadResult, total: Tally) -> Iterator[str]:
    if result.was_stopped:
        yield "It was stopped early."
    elif not result.is_complete:
        yield "It ended before all was sent: the servers did not take it within the time."
    if not result.kept_up:
        yield f"The generator did not keep up: its send lag's 99th percentile is above {latency_text(LARGEST_LAG_NS)}."
    if total.held_back_ns:
        yield f"Sending waited {total.held_back_ns / NS_PER_SECOND:.3f} s for a server to take more."
    if total.disconnected_ns:
        seconds = total.disconnected_ns / NS_PER_SECOND
        yield f"Writers had no connection for {seconds:.3f} s, and reconnected {_counted(total.reconnects, 'time')}."
    if abs(result.clock_step_ns) > NS_PER_MILLISECOND:
        yield f"This host's time of day was moved by {latency_text(result.clock_step_ns)} meanwhile."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _histogram(histogram: Histogram) -> dict[str, Any]:
    percentiles = histogram.percentiles(list(_PERCENTS.values()))
    return {
        "count": histogram.count,
        **dict(zip(_PERCENTS, percentiles, strict=True)),
        "max_ns": histogram.max_ns,
        "hdr": histogram.encode(),
    }
