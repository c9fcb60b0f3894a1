"""One run from the controller: orders to hosts, round after round, and all that they answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.search import Found, rounded
from bench_conditions import Mark, host_marks, load_marks, sent_marks
from bench_hosts import Hosts, MeasuringError
from bench_knee import LISTENERS, Search
from bench_plan import Settings, Visit, points, rotated, visits
from bench_scaling import Scaling
from hosts_told import GivenUpError

_LOOKED_S = 1.0
_LINK_S = 0.5
# Beyond what the timer of a host waits for, nobody comes any more.
_SPARE_S = 300.0
_SPARE_MB = 256
# More than a server may write.
_SPARE_DISK_MB = 4096
_PERCENTILES_SECONDS = 5.0


@dataclass
class Measured:
    """What hosts answered, unsummed: it becomes a result."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    visits: list[dict[str, Any]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    knees: list[dict[str, Any]] = field(default_factory=list)
    quiet: dict[str, Any] = field(default_factory=dict)
    points: list[dict[str, Any]] = field(default_factory=list)
    not_measured: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


class Leader:
    """``marks`` are what is known of the conditions before anybody measures; ``mesh`` are engines that have one.

    ``say`` gets a line for people. ``must_stop`` is asked between two measurements.
    """

    def __init__(
        self,
        hosts: Hosts,
        settings: Settings,
        mesh: Mapping[str, bool],
        marks: list[Mark],
        say: Callable[[str], None],
        must_stop: Callable[[], bool],
    ) -> None:
        self.measured = Measured(marks=list(marks))
        self._hosts = hosts
        self._settings = settings
        self._mesh = mesh
        self._say = say
        self._must_stop = must_stop
        self._began = time.monotonic()
        self._fifo: list[str] = []
        self._found: dict[str, Found] = {}

    def run(self) -> Measured:
        """Measures. Raises GivenUpError."""
        settings = self._settings
        self._look()
        if settings.conditions == "refuse" and self.measured.marks:
            said = [f"{each['host']}: {each['condition']}: {each['text']}" for each in self.measured.marks]
            raise GivenUpError(f"nothing was measured under these conditions (bench_conditions). {'; '.join(said)}")
        ends = {"after_s": settings.minutes * 60 + _SPARE_S}
        self._hosts.ask_all(dict.fromkeys(self._hosts.names, ends), "close")
        self._links()
        is_over = False
        for number in range(settings.rounds):
            for each in (self._visits, self._listeners, self._scale):
                is_over = is_over or self._is_time_over(number)
                if not is_over:
                    each(number)
        if self._found and not is_over:
            self._percentiles()
        self.measured.seconds = time.monotonic() - self._began
        return self.measured

    def _is_time_over(self, number: int) -> bool:
        if self._must_stop():
            raise GivenUpError("ansible-playbook is gone")
        if time.monotonic() - self._began < self._settings.minutes * 60:
            return False
        self._not(f"round {number + 1}", f"bench_minutes, {self._settings.minutes:g}, were over")
        return True

    def _not(self, what: str, why: str) -> None:
        """Note once what was not measured."""
        if {"what": what, "why": why} not in self.measured.not_measured:
            self.measured.not_measured.append({"what": what, "why": why})
            self._say(f"not measured: {what}: {why}")

    def _look(self) -> None:
        """Who the hosts are, and what keeps them busy before anything of ours does."""
        hosts, names = self._hosts, self._hosts.names
        self.measured.facts = hosts.ask_all({name: {} for name in names}, "facts")
        shares = hosts.ask_all({name: {"seconds": _LOOKED_S} for name in names}, "busy")
        for name, facts in self.measured.facts.items():
            self.measured.marks += load_marks(name, shares[name]["share"], self._settings.most_load)
            self.measured.marks += host_marks(name, facts, len(names) - 1)
            needed = self._settings.maxmemory_mb + _SPARE_MB
            if facts["available_mb"] < needed:
                raise GivenUpError(f"{name} has {facts['available_mb']} MB to spare, and {needed} are needed")
            if facts["free_mb"] < _SPARE_DISK_MB:
                raise GivenUpError(f"{name} has {facts['free_mb']} MB of free storage, and {_SPARE_DISK_MB} are needed")
        refused = self.measured.facts[self._settings.server]["not_fifo"]
        if refused:
            self._not("real-time scheduling", f"{self._settings.server}: {refused}")
        else:
            self._fifo = list(self._settings.engines)

    def _links(self) -> None:
        """Each host to the next one, one at a time."""
        names = self._hosts.names
        for name, peer in zip(names, [*names[1:], names[0]], strict=True):
            try:
                self._hosts.ask(peer, "sink")
                found = self._hosts.ask(name, "link", peer=self._hosts.addresses[peer], seconds=_LINK_S)
            except MeasuringError as error:
                self._not(f"link from {name} to {peer}", str(error))
                continue
            new = list(sent_marks(name, peer, found["mbits"], self._settings.least_mbits))
            self.measured.marks += new
            self._say(f"{name} to {peer}: {found['mbits']:.0f} Mbit/s")
            if new and self._settings.conditions == "refuse":
                raise GivenUpError(f"nothing was measured under these conditions: {name}: link: {new[0]['text']}")

    def _visits(self, number: int) -> None:
        for visit in rotated(visits(self._settings, self._fifo), number, self._settings.seed):
            if self._must_stop():
                raise GivenUpError("ansible-playbook is gone")
            try:
                self._visit(number, visit)
            except MeasuringError as error:
                self._not(str(visit.variant), str(error))
            finally:
                self._stop([self._settings.server])

    def _visit(self, number: int, visit: Visit) -> None:
        variant, settings = visit.variant, self._settings
        served = self._hosts.ask(settings.server, "serve", **variant.as_order())
        self.measured.versions[variant.engine] = served["version"]
        entry: dict[str, Any] = {"round": number, "variant": asdict(variant)}
        said = f"round {number + 1}: {variant}:"
        if visit.works:
            orders = [work.as_order(settings.tool_threads) for work in visit.works]
            order = {"engine": variant.engine, "works": orders, "seconds": settings.seconds}
            target = self._target(variant.as_order())
            entry["works"] = self._hosts.ask(settings.client, "tools", **target, **order)["works"]
            first = ", ".join(f"{each['operation']} {each['rate']:,.0f}/s" for each in entry["works"][:2])
            said += f" {first}"
        if visit.has_tail:
            entry["tail"] = self._window(variant.as_order(), settings.tail_rate, settings.tail_seconds)
            said += f" p99 to the event {_p99_ms(entry['tail'], 'sync')} ms"
        self.measured.visits.append(entry)
        self._say(said)

    def _target(self, variant: Mapping[str, Any]) -> dict[str, Any]:
        server = self._hosts.addresses[self._settings.server]
        return {"server": server, "tls": variant["tls"], "authentication": variant["authentication"]}

    def _window(self, variant: Mapping[str, Any], rate: int, seconds: float) -> dict[str, Any]:
        """Both listeners under this load, with ``server_cpu_s`` beside what the client answers."""
        settings = self._settings
        before = self._hosts.ask(settings.server, "used")
        order = {"rate": rate, "keys": settings.knee_keys, "size": 0, "warmup_s": settings.warmup_s, "seconds": seconds}
        found = self._hosts.ask(settings.client, "window", **self._target(variant), **order)
        after = self._hosts.ask(settings.server, "used")
        found["server_cpu_s"] = after["cpu_s"] - before["cpu_s"]
        return found

    def _listeners(self, number: int) -> None:
        settings = self._settings
        if "listeners" not in settings.parts:
            return
        variant = settings.base(settings.cluster_engine).as_order()

        def measure(rate: int) -> dict[str, Any]:
            if self._must_stop():
                raise GivenUpError("ansible-playbook is gone")
            window = self._window(variant, rate, settings.knee_seconds)
            self.measured.windows.append({"round": number, "rate": rate, "window": window})
            self._say(f"round {number + 1}: {rate:,}/s: {', '.join(_held(window, name) for name in LISTENERS)}")
            return window

        try:
            self._hosts.ask(settings.server, "serve", **variant)
            search = Search(measure, self._found, settings.knee_start, settings.knee_precision)
            self._found = search.run()
            knees = {name: found.rate for name, found in self._found.items()}
            at_least = {name: found.is_at_least for name, found in self._found.items()}
            self.measured.knees.append({"round": number, "rates": knees, "at_least": at_least})
        except MeasuringError as error:
            self._not("listeners under load", str(error))
        finally:
            self._stop([settings.server])

    def _percentiles(self) -> None:
        """At half of what the slower listener holds, for longer."""
        rates = [found.rate for found in self._found.values() if found.rate]
        if not rates:
            return
        rate = rounded(min(rates) / 2)
        variant = self._settings.base(self._settings.cluster_engine).as_order()
        try:
            self._hosts.ask(self._settings.server, "serve", **variant)
            self.measured.quiet = {"rate": rate, "window": self._window(variant, rate, _PERCENTILES_SECONDS)}
        except MeasuringError as error:
            self._not("percentiles", str(error))
        finally:
            self._stop([self._settings.server])

    def _scale(self, number: int) -> None:
        settings = self._settings
        is_mesh = self._mesh[settings.cluster_engine]
        scaling = Scaling(self._hosts, settings, is_mesh=is_mesh)
        served = 0
        for nodes, writers in points(settings, is_mesh):
            try:
                if served != nodes:
                    self._stop(self._hosts.names)
                    scaling.serve(nodes)
                    served = nodes
                point = scaling.point(nodes, writers)
            except MeasuringError as error:
                self._not(f"{nodes} nodes, written to {writers}", str(error))
                served = 0
                continue
            self.measured.points.append({"round": number, "nodes": nodes, "writers": writers, **point})
            last = f"{point['last_node_ms']:.2f} ms until the last node has a write"
            self._say(f"round {number + 1}: {nodes} nodes, {writers}: {point['writes']:,.0f} writes/s, {last}")
        self._stop(self._hosts.names)

    def _stop(self, names: list[str]) -> None:
        try:
            self._hosts.ask_all({name: {} for name in names}, "unserve")
        except MeasuringError as error:
            self._not("a server's end", str(error))


def _p99_ms(window: Mapping[str, Any], listener: str) -> str:
    found = dict(map(tuple, window["listeners"][listener]["percentiles"])).get(99.0)
    return "-" if found is None else f"{found / 1e6:.2f}"


def _held(window: Mapping[str, Any], listener: str) -> str:
    seen = window["listeners"][listener]
    share = seen["in_time"] / window["measured"] if window["measured"] else 0.0
    missed = f", {seen['missed']:,} missed" if seen["missed"] else ""
    return f"listener-{listener} {share:.1%} in time{missed}"
