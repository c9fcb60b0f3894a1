"""The order of things: rounds of engines, plainly and over TLS, and in each of them every contender in its turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.certificates import Certificates
from bench.contenders import CONTENDERS, OVER_TLS
from bench.engines import Engine
from bench.figures import Lags
from bench.options import Options
from bench.placement import apart
from bench.screen import Screen, milliseconds
from bench.search import Attempt, Found, Outcome, bisect, bracket, rounded, settle
from bench.server import running
from bench.trial import Load, Rig, Window

PLAIN, TLS = "plain", "tls"
LATENCY_RATE = 200
# What a listener takes over TLS, as part of what it takes without, to begin a search with.
_TLS_GUESS = 0.75


@dataclass(frozen=True)
class Case:
    """What is measured: a contender at an engine."""

    engine: str
    transport: str
    contender: str

    def __str__(self) -> str:
        return f"{self.engine} {self.transport} {self.contender}"


@dataclass
class Measured:
    """All that is known of a case. Found rates and windows at 200 events/s are by round, None for one left out."""

    found: list[Found | None] = field(default_factory=list)
    latency: list[Window | None] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)

    @property
    def latest_rate(self) -> int | None:
        """What the latest successful search found."""
        return next((found.rate for found in reversed(self.found) if found and found.rate), None)


@dataclass
class Results:
    """What a run measured. ``facts`` is what the generator says of host and versions."""

    cases: dict[Case, Measured] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, list[str]] = field(default_factory=dict)

    def of(self, case: Case) -> Measured:
        """What is known of this case so far."""
        return self.cases.setdefault(case, Measured())


class _TimeIsOverError(Exception):
    """In the middle of a search, which then has found nothing."""


class Benchmark:
    """Runs the rounds. Once the time is over nothing new is begun, and what was not measured stays open."""

    def __init__(
        self,
        options: Options,
        engines: list[Engine],
        directory: Path,
        screen: Screen,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.results = Results()
        self._options = options
        self._engines = engines
        self._directory = directory
        self._screen = screen
        self._monotonic = monotonic
        self._deadline = monotonic() + options.minutes * 60
        self._certificates = Certificates.create(directory) if options.tls_rounds else None

    @property
    def is_time_over(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._monotonic() >= self._deadline

    def run(self) -> Results:
        """Measures."""
        for number in range(self._options.rounds):
            for engine in self._engines:
                if not self.is_time_over:
                    self._visit(number, engine)
        return self.results

    def _visit(self, number: int, engine: Engine) -> None:
        self._screen.heading(f"round {number + 1} of {self._options.rounds}: {engine.label}")
        with running(engine, self._certificates, self._directory) as server:
            self.results.arguments[engine.name] = server.arguments
            rig = Rig(server, None, self._directory)
            cases = self._cases(number, engine, PLAIN)
            for case in cases:
                self._search(case, rig)
            with apart(server.pid):
                for case in cases:
                    self._latency(case, rig)
            self.results.facts = rig.facts or self.results.facts
            if self._certificates and number < self._options.tls_rounds:
                rig = Rig(server, self._certificates.ca, self._directory)
                for case in self._cases(number, engine, TLS):
                    self._search(case, rig)

    def _cases(self, number: int, engine: Engine, transport: str) -> list[Case]:
        """Another one begins in each round."""
        names = [name for name in self._options.contenders if transport == PLAIN or name in OVER_TLS]
        first = number % len(names) if names else 0
        return [Case(engine.name, transport, name) for name in names[first:] + names[:first]]

    def _search(self, case: Case, rig: Rig) -> None:
        measured = self.results.of(case)
        try:
            found = self._found(case, measured, rig)
        except _TimeIsOverError:
            measured.found.append(None)
            self._screen.line(f"  {case!s:32} no time left")
            return
        measured.found.append(found)
        best = max((w for w in measured.windows if w.rate == found.rate), key=lambda w: w.seconds, default=None)
        delays = f"  p50 {ms(best.until_done, 'p50_ns')}, p99 {ms(best.until_done, 'p99_ns')} ms" if best else ""
        broken = next((w.broken for w in reversed(measured.windows) if w.broken), "") if not found.rate else ""
        self._screen.line(f"  {case!s:32} {rate_text(found):>18}{delays}  {broken}".rstrip())

    def _found(self, case: Case, measured: Measured, rig: Rig) -> Found:
        options = self._options
        shortest, short, long = (
            self._attempt(case, rig, seconds) for seconds in (options.bracket_s, options.seconds, options.confirm_s)
        )
        known = measured.latest_rate
        found = Found(known) if known else bisect(short, bracket(shortest, self._start(case)), options.precision)
        return settle(long, found, options.precision, climbs=known is not None)

    def _start(self, case: Case) -> int:
        """Where to begin the first search: by what the same contender came to elsewhere, if that is known."""
        plainly = self.results.of(Case(case.engine, PLAIN, case.contender)).latest_rate
        if case.transport == TLS and plainly:
            return rounded(plainly * _TLS_GUESS)
        elsewhere = self.results.of(Case(self._engines[0].name, case.transport, case.contender)).latest_rate
        return rounded(elsewhere / 2) if elsewhere else CONTENDERS[case.contender].start

    def _attempt(self, case: Case, rig: Rig, seconds: int) -> Attempt:
        def attempt(rate: int) -> Outcome:
            if self.is_time_over:
                raise _TimeIsOverError
            self._screen.doing(f"{case}: {rate:,}/s for {seconds} s")
            window = rig.window(case.contender, Load(rate, self._options.keys, self._options.warmup_s, seconds))
            self.results.of(case).windows.append(window)
            return window.outcome

        return attempt

    def _latency(self, case: Case, rig: Rig) -> None:
        measured = self.results.of(case)
        if self.is_time_over:
            measured.latency.append(None)
            return
        seconds = self._options.latency_s
        self._screen.doing(f"{case}: latency at {LATENCY_RATE}/s for {seconds} s")
        window = rig.window(case.contender, Load(LATENCY_RATE, self._options.keys, self._options.warmup_s, seconds))
        measured.windows.append(window)
        measured.latency.append(window)
        seen = window.until_seen
        self._screen.line(
            f"  {case!s:32} seen after p50 {ms(seen, 'p50_ns')}, p99 {ms(seen, 'p99_ns')} ms at {LATENCY_RATE}/s"
            + (f"  {window.broken}" if window.broken else "")
        )


def rate_text(found: Found) -> str:
    """What a search came to."""
    if found.rate is None:
        return "none held"
    return f"{'>= ' if found.is_at_least else ''}{found.rate:,}/s"


def ms(lags: Lags | None, name: str) -> str:
    """One figure of a distribution, in ms."""
    return milliseconds(getattr(lags, name)) if lags else "-"
