"""The results of a run: as JSON to keep, and as lines to read."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench.benchmark import LATENCY_RATE, PLAIN, TLS, Case, Measured, Results
from bench.contenders import CONTENDERS
from bench.engines import Engine
from bench.figures import Spread
from bench.memory import Memory
from bench.options import Options
from bench.screen import milliseconds
from bench.trial import IN_TIME_MS, IN_TIME_SHARE
from bench.verdicts import TARGETS, TLS_TARGETS, Ratio, Verdict, ratios, verdicts

SCHEMA = 1
LATEST = "latest.json"


@dataclass(frozen=True)
class Summary:
    """A case over its rounds: rates in writes/s, and at 200 events/s delays in ns.

    ``seen_*`` are from write to event seen, ``done_p50`` until handled. ``send_p50`` is how late the generator
    itself was, which is a part of all of these. ``cpu_ns`` is the contender's CPU time for an event at the sustained
    rate.
    """

    rate: Spread | None
    is_at_least: bool
    limits: tuple[str | None, ...]
    seen_p50: Spread | None
    seen_p90: Spread | None
    seen_p99: Spread | None
    seen_max: Spread | None
    done_p50: Spread | None
    send_p50: Spread | None
    cpu_ns: Spread | None

    @classmethod
    def of(cls, measured: Measured) -> Summary:
        """By medians."""
        found = measured.found
        known = [one for one in found if one]
        limits = tuple(one.limit.value if one and one.limit else None for one in found)

        def seen(name: str) -> Spread | None:
            delays = [window.until_seen if window else None for window in measured.latency]
            return Spread.of([getattr(one, name) if one else None for one in delays])

        done = [window.until_done if window else None for window in measured.latency]
        send_p50 = [window.send_lag.get("p50_ns") if window else None for window in measured.latency]
        confirmed = {window.rate: window for window in sorted(measured.windows, key=lambda window: window.seconds)}
        at_rate = [confirmed.get(one.rate) if one and one.rate else None for one in found]
        return cls(
            Spread.of([one.rate if one else None for one in found]),
            # As long as one round ended for the listener's own sake, the median is its own.
            bool(known) and all(one.is_at_least for one in known),
            limits,
            seen("p50_ns"),
            seen("p90_ns"),
            seen("p99_ns"),
            seen("max_ns"),
            Spread.of([one.p50_ns if one else None for one in done]),
            Spread.of(send_p50),
            Spread.of([window.contender_cpu_s * 1e9 / window.writes if window else None for window in at_rate]),
        )


@dataclass(frozen=True)
class Report:
    """What a run came to. ``ratios`` and ``verdicts`` are by engine and transport."""

    options: Options
    engines: tuple[Engine, ...]
    results: Results
    started_ns: int
    duration_s: float
    versions: Mapping[str, object]
    memory: Mapping[Case, Memory] = field(default_factory=dict)

    def summaries(self, engine: str, transport: str) -> dict[str, Summary]:
        """By contender."""
        return {
            case.contender: Summary.of(measured)
            for case, measured in self.results.cases.items()
            if (case.engine, case.transport) == (engine, transport)
        }

    def ratios(self, engine: str, transport: str) -> dict[str, Ratio]:
        """By name."""
        found = self.summaries(engine, transport)
        return ratios(
            {name: summary.rate for name, summary in found.items()},
            {name for name, summary in found.items() if summary.is_at_least},
            {name: summary.seen_p50 for name, summary in found.items()},
        )

    def verdicts(self, engine: str, transport: str) -> list[Verdict]:
        """Of those targets whose contenders took part."""
        found = verdicts(self.ratios(engine, transport), TARGETS if transport == PLAIN else TLS_TARGETS)
        return found if self.summaries(engine, transport) else []

    @property
    def is_complete(self) -> bool:
        """Whether every round measured everything, and at least one rate held for everybody."""
        return bool(self.results.cases) and all(
            all(measured.found) and all(measured.latency) and measured.latest_rate
            for measured in self.results.cases.values()
        )

    def as_json(self) -> dict[str, Any]:
        """Times are in ns where the name says so, or in seconds; rates in writes/s."""
        return {
            "schema": SCHEMA,
            "started": self.started_ns,
            "duration_s": round(self.duration_s, 1),
            "complete": self.is_complete,
            "ratios": {engine.name: self._ratios_as_json(engine.name) for engine in self.engines},
            "verdicts": {
                engine.name: {
                    transport: {
                        verdict.name: {"value": verdict.value, "target": verdict.target, "holds": verdict.holds}
                        for verdict in self.verdicts(engine.name, transport)
                    }
                    for transport in (PLAIN, TLS)
                }
                for engine in self.engines
            },
            "plan": {
                "in_time_ms": IN_TIME_MS,
                "in_time_share": IN_TIME_SHARE,
                "latency_rate": LATENCY_RATE,
                **{name: getattr(self.options, name) for name in self.options.__dataclass_fields__ if name != "output"},
            },
            "engines": {engine.name: self._engine_as_json(engine) for engine in self.engines},
            "memory": [
                {
                    **asdict(case),
                    **asdict(memory),
                    "least_kib": memory.least_kib,
                    "most_kib": memory.most_kib,
                    "holds": memory.is_flat,
                }
                for case, memory in self.memory.items()
            ],
            "versions": dict(self.versions) | self.results.facts.get("versions", {}),
            "host": self.results.facts.get("host", {}),
        }

    def _ratios_as_json(self, engine: str) -> dict[str, Any]:
        plain, tls = (
            {name: ratio.value for name, ratio in self.ratios(engine, transport).items()} for transport in (PLAIN, TLS)
        )
        return plain | ({"tls": tls} if tls else {})

    def _engine_as_json(self, engine: Engine) -> dict[str, Any]:
        return {
            "label": engine.label,
            "arguments": self.results.arguments.get(engine.name, []),
            "ratio_spreads": {transport: self.ratios(engine.name, transport) for transport in (PLAIN, TLS)},
            "contenders": {
                transport: {
                    name: {
                        "what": CONTENDERS[name].text,
                        "summary": summary,
                        "windows": self.results.cases[Case(engine.name, transport, name)].windows,
                        "latency": self.results.cases[Case(engine.name, transport, name)].latency,
                    }
                    for name, summary in self.summaries(engine.name, transport).items()
                }
                for transport in (PLAIN, TLS)
            },
        }


def write(document: Mapping[str, Any], path: Path) -> None:
    """As JSON that can be read, and never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    beside.replace(path)


def render(report: Report) -> Iterator[str]:
    """Lines for a terminal of 110 columns."""
    for engine in report.engines:
        for transport in (PLAIN, TLS):
            summaries = report.summaries(engine.name, transport)
            if summaries:
                yield ""
                yield f"{engine.label}, {'over TLS' if transport == TLS else 'without TLS'}"
                yield from _table(summaries)
                yield from _ratio_lines(report, engine.name, transport)
    yield from memory_lines(report.memory)
    if not report.is_complete:
        yield ""
        yield "Not everything was measured in every round: see the lines above."


def _table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    has_latency = any(summary.seen_p50 for summary in summaries.values())
    over = f"{f'write to event seen at {LATENCY_RATE}/s, ms':>42}" if has_latency else ""
    yield f"{'':<18}{'sustained, events/s':>33}{'CPU, us':>10}{over}"
    columns = ("P50", "P90", "P99", "MAX") if has_latency else ()
    names = "".join(f"{name:>10}" for name in columns)
    yield f"{'contender':<18}{'median':>13}{'least to most':>20}{'per event':>10}{names}"
    for name, summary in sorted(summaries.items(), key=lambda item: -(item[1].rate.median if item[1].rate else 0)):
        rate, cpu = summary.rate, summary.cpu_ns
        median = f"{'>= ' if summary.is_at_least else ''}{rate.median:,.0f}" if rate else "-"
        spread = f"{rate.least:,.0f} to {rate.most:,.0f}" if rate else ""
        used = f"{cpu.median / 1000:.2f}" if cpu else ""
        delays = (summary.seen_p50, summary.seen_p90, summary.seen_p99, summary.seen_max)
        cells = "".join(f"{milliseconds(one.median) if one else '-':>10}" for one in delays) if has_latency else ""
        yield f"{name:<18}{median:>13}{spread:>20}{used:>10}{cells}".rstrip()
    late = [summary.send_p50.median for summary in summaries.values() if summary.send_p50]
    if late:
        yield f"{'':<18}of each P50, {milliseconds(statistics.median(late))} ms is how late the generator sent"
        yield f"{'':<18}the server runs on one processor then, and all clients on the others, if there are any"
    if any(summary.is_at_least for summary in summaries.values()):
        yield f"{'':<18}>= where the generator, on the same processors, reached its limit first"


def _ratio_lines(report: Report, engine: str, transport: str) -> Iterator[str]:
    judged = {verdict.name: verdict for verdict in report.verdicts(engine, transport)}
    found = report.ratios(engine, transport)
    for name in [*judged, *(name for name in found if name not in judged)]:
        ratio, verdict = found.get(name), judged.get(name)
        value = f"{ratio.value:8.2f}  ({ratio.least:.2f} to {ratio.most:.2f})" if ratio else "not measured"
        says = "" if not ratio else "holds" if verdict and verdict.holds else "DOES NOT HOLD"
        target = f"target {verdict.target:<8}{says}" if verdict else ""
        bound = f"only bounds: {', '.join(ratio.at_least)}" if ratio and ratio.at_least else ""
        yield f"  {name:<24}{value:<28} {target:<28} {bound}".rstrip()


def memory_lines(memory: Mapping[Case, Memory]) -> Iterator[str]:
    """One for each listener that was watched."""
    for case, one in memory.items():
        verdict = "holds" if one.is_flat else "DOES NOT HOLD"
        yield (
            f"{case!s}: {one.least_kib / 1024:.1f} to {one.most_kib / 1024:.1f} MiB over {one.seconds} s at "
            f"{one.rate:,}/s, {one.lost} writes lost; target: within 10%, none lost: {verdict}"
        )


def rates_of(document: Mapping[str, Any], case: Case) -> float | None:
    """The sustained rate of this case in results that were kept; None if it is not there."""
    try:
        contenders = document["engines"][case.engine]["contenders"]
        return float(contenders[case.transport][case.contender]["summary"]["rate"]["median"])
    except (KeyError, TypeError):
        return None
