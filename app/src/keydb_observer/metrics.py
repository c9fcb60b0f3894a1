"""An observer's figures for Prometheus, over HTTP."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias, cast

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from keydb_observer.duration import NS_PER_MICROSECOND, NS_PER_SECOND
from keydb_observer.histogram import Histogram

PREFIX = "keydb_observer_"
BOUNDS_NS = tuple(
    bound_us * NS_PER_MICROSECOND
    for bound_us in (
        *(50, 100, 200, 500),
        *(1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000),
        *(1_000_000, 2_000_000, 5_000_000, 10_000_000),
    )
)
"""Upper ends of the buckets: from 50 us to 10 s."""

_MOST_SCRAPERS = 8
_TIMEOUT_S = 10.0
# How often the server looks whether it is to stop.
_LOOK_S = 0.1
_PLAIN_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Family:
    """``unit`` is what its values are in, and ends its name; ``labels`` are those that it has beside the observer's."""

    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()


COUNTERS = {
    "events": Family("Keyspace notifications of the watched keys."),
    "events_passed_over": Family("Keyspace notifications that came while as many keys waited to be read as may."),
    "writes_read": Family("Writes whose value was read."),
    "writes_found": Family("Writes among those read that were there on subscribing, without an event."),
    "writes_superseded": Family("Writes whose event was seen, but whose value was replaced before it was read."),
    "writes_missed": Family("Writes of which neither event nor value was seen."),
    "readings_repeated": Family("Readings of the write that was read last."),
    "readings_reordered": Family("Readings of a write before the one that was read last."),
    "readings_foreign": Family("Readings of a value that no writer of this program wrote."),
    "reconnects": Family("Connections that were made anew after one was lost or given up."),
    "resyncs": Family("Times that every key was read again after a reconnection."),
    "slow_consumer_disconnects": Family("Times that the server disconnected the observer for reading too slowly."),
    "blind_seconds": Family("Time without a subscription since the first one.", "seconds"),
    "answers": Family("Handshakes that were written."),
    "answers_failed": Family("Handshakes that could not be written."),
    "handler_failures": Family("Times that the user's handler raised an exception."),
    "differences_negative": Family("Events that seem to come before their write, because two clocks differ."),
    "writes": Family("Writes of a writer."),
    "writes_failed": Family("Writes that the server refused, or that could not be sent."),
    "writes_unknown": Family("Writes of which it is not known whether the server carried them out."),
}
GAUGES = {
    "clock_error_seconds": Family("How far this host's clock may be off, by chrony; absent when unknown.", "seconds"),
    "clock_offset_seconds": Family(
        "How far the clock of a listener's host is ahead of this one's, to within half the round trip.",
        "seconds",
        ("listener", "host"),
    ),
    "connected": Family("1 while there is a connection to a node."),
    "home": Family("1 while the first node of the list is followed."),
}
HISTOGRAMS = {
    "event_difference_seconds": Family("Time from a write to its event, on two hosts' clocks.", "seconds"),
    "value_difference_seconds": Family(
        "Time from a write to the reading of its value, on two hosts' clocks.", "seconds"
    ),
    "round_trip_seconds": Family("Time from a write to its handshake, less what the listener took.", "seconds"),
}

Labels: TypeAlias = tuple[tuple[str, str], ...]
Gauge: TypeAlias = float | Mapping[Labels, float | None] | None


@dataclass(frozen=True)
class Snapshot:
    """The figures at one moment, by the names in the tables above, each in the unit of its family.

    ``labels`` are the observer's own, which every figure has. A gauge that is None is not known, and left out; one
    whose family has labels of its own is a mapping of those, as pairs, to values. Histograms may go on recording.

    Raises KeyError for a name or label that is in no table: a typo must not vanish.
    """

    labels: Mapping[str, str]
    counters: Mapping[str, float] = field(default_factory=dict)
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for names, families in ((self.counters, COUNTERS), (self.gauges, GAUGES), (self.histograms, HISTOGRAMS)):
            for name in names:
                if name not in families:
                    raise KeyError(f"no family of this kind is called {name}")
        for name, gauge in self.gauges.items():
            for labels in gauge if isinstance(gauge, Mapping) else ((),):
                if {label for label, _ in labels} != set(GAUGES[name].labels):
                    raise KeyError(f"{name} has the labels {GAUGES[name].labels}, not {labels}")


class MetricsEndpoint:
    """Serves GET /metrics at this address, in threads of its own; port 0 is one that is free.

    ``collect`` is called there, once for each scrape.
    """

    def __init__(self, host: str, port: int, collect: Callable[[], Snapshot]) -> None:
        self._address = (host, port)
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(_FiguresCollector(collect))
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port that it listens to, once started."""
        return int(self._server.server_address[1]) if self._server else self._address[1]

    def start(self) -> None:
        """Raises OSError with the reason when the address cannot be had, and whatever ``collect`` raises."""
        # Better now than at the first scrape.
        _render(self._registry, "")
        host, port = self._address
        try:
            self._server = _Server(self._address, self._registry)
        except OSError as error:
            raise OSError(f"metrics cannot be served at {host}:{port}: {error.strerror or error}") from None
        threading.Thread(target=self._server.serve_forever, args=(_LOOK_S,), name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Gives the address back. A scrape that is under way goes on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _FiguresCollector(Collector):
    """Puts a snapshot into the families of prometheus_client."""

    def __init__(self, collect: Callable[[], Snapshot]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        snapshot = self._collect()
        names, values = list(snapshot.labels), list(snapshot.labels.values())
        for name, count in snapshot.counters.items():
            about = COUNTERS[name]
            counter = CounterMetricFamily(PREFIX + name, about.help, labels=names, unit=about.unit)
            counter.add_metric(values, count)
            yield counter
        for name, gauge in snapshot.gauges.items():
            about = GAUGES[name]
            family = GaugeMetricFamily(PREFIX + name, about.help, labels=[*names, *about.labels], unit=about.unit)
            for labels, value in (gauge if isinstance(gauge, Mapping) else {(): gauge}).items():
                if value is not None:
                    family.add_metric([*values, *(dict(labels)[label] for label in about.labels)], value)
            yield family
        for name, live in snapshot.histograms.items():
            about = HISTOGRAMS[name]
            histogram = HistogramMetricFamily(PREFIX + name, about.help, labels=names, unit=about.unit)
            # All that is told of it must be of one moment.
            still = live.copy()
            counts = zip(BOUNDS_NS, still.buckets(BOUNDS_NS), strict=True)
            buckets = [*((str(bound / NS_PER_SECOND), count) for bound, count in counts), ("+Inf", still.count)]
            histogram.add_metric(values, buckets, still.total_ns / NS_PER_SECOND)
            yield histogram


def _render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The figures in the form that the scraper accepts, and the name of that form."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Server(ThreadingHTTPServer):
    """Takes a few scrapers at once, each on a thread of its own, and hangs up on further ones."""

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.registry = registry
        self._places = threading.BoundedSemaphore(_MOST_SCRAPERS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without looking up this host's name, as the base class would, which may take long and is of no use here."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started, so none will give the place back
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that has gone away is no news to the journal."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            try:
                content, content_type = _render(cast(_Server, self.server).registry, self.headers.get("Accept", ""))
            except Exception as error:  # the scraper is told, and the observer goes on
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"no figures: {error!r}\n".encode())
                return
            self._answer(HTTPStatus.OK, content, content_type)
        elif path == "/":
            self._answer(HTTPStatus.OK, b"keydb-observer: the figures are at /metrics\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"not found: the figures are at /metrics\n")

    def _answer(self, status: HTTPStatus, content: bytes, content_type: str = _PLAIN_TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        return "keydb-observer"

    def log_message(self, *_arguments: object) -> None:
        """A scrape every few seconds is no news to the journal."""
