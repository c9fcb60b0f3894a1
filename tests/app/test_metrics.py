"""What Prometheus is told, by scraping it as Prometheus does."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from app_harness import free_port
from keydb_observer.histogram import Histogram
from keydb_observer.metrics import BOUNDS_NS, COUNTERS, GAUGES, HISTOGRAMS, MetricsEndpoint, Snapshot
from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as openmetrics_parser

LABELS = {"listener": "listener-sync", "host": "node2"}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

Serve = Callable[[Callable[[], Snapshot]], MetricsEndpoint]


@pytest.fixture
def serve() -> Iterator[Serve]:
    endpoints: list[MetricsEndpoint] = []

    def start(collect: Callable[[], Snapshot]) -> MetricsEndpoint:
        endpoint = MetricsEndpoint("127.0.0.1", 0, collect)
        endpoint.start()
        endpoints.append(endpoint)
        return endpoint

    yield start
    for endpoint in endpoints:
        endpoint.stop()


def get(endpoint: MetricsEndpoint, path: str = "/metrics", accept: str = "", method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def scrape(endpoint: MetricsEndpoint, accept: str = "") -> dict[str, Metric]:
    status, text = get(endpoint, accept=accept)
    assert status == 200
    parse = openmetrics_parser.text_string_to_metric_families if accept else parser.text_string_to_metric_families
    return {family.name: family for family in parse(text)}


def samples(family: Metric) -> dict[tuple[str, ...], float]:
    """Values by the sample's name and what it is labelled with beside the observer's own labels."""
    found = {}
    for sample in family.samples:
        others = (value for name, value in sorted(sample.labels.items()) if (name, value) not in LABELS.items())
        found[(sample.name, *others)] = sample.value
    return found


def all_figures() -> Snapshot:
    histogram = Histogram()
    for value in (40_000, 60_000, 3_000_000, 20_000_000_000):
        histogram.record(value)
    return Snapshot(
        LABELS,
        {name: number for number, name in enumerate(COUNTERS)},
        {
            "clock_error_seconds": 0.000045,
            "clock_offset_seconds": {
                (("listener", "listener-async"), ("host", "node3")): -0.25,
                (("host", "node4"), ("listener", "listener-sync")): None,
            },
            "connected": 1.0,
            "home": 0.0,
        },
        dict.fromkeys(HISTOGRAMS, histogram),
    )


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_every_family(serve: Serve, accept: str) -> None:
    collected = all_figures()
    snapshot = Snapshot({"writer": "node1"}, collected.counters, collected.gauges, collected.histograms)
    families = scrape(serve(lambda: snapshot), accept)
    for name, about in {**COUNTERS, **GAUGES, **HISTOGRAMS}.items():
        family = families[f"keydb_observer_{name}"]
        assert family.documentation == about.help
        assert name.endswith(about.unit)
        assert all(sample.labels["writer"] == "node1" for sample in family.samples)
    events = families["keydb_observer_writes_read"].samples[0]
    assert (events.name, events.value) == ("keydb_observer_writes_read_total", 2)
    assert families["keydb_observer_blind_seconds"].samples[0].name == "keydb_observer_blind_seconds_total"
    [offset] = families["keydb_observer_clock_offset_seconds"].samples
    assert offset.labels == {"writer": "node1", "listener": "listener-async", "host": "node3"}
    assert offset.value == -0.25


def test_histogram(serve: Serve) -> None:
    snapshot = Snapshot(LABELS, histograms=all_figures().histograms)
    family = scrape(serve(lambda: snapshot))["keydb_observer_event_difference_seconds"]
    found = samples(family)
    name = "keydb_observer_event_difference_seconds"
    counts = [found[f"{name}_bucket", bound] for bound in ("5e-05", "0.0001", "0.002", "0.005", "10.0", "+Inf")]
    assert counts == [1, 2, 2, 3, 3, 4]
    assert found[f"{name}_count",] == 4
    assert found[f"{name}_sum",] == pytest.approx(20.0031, rel=0.001)
    assert len(family.samples) == len(BOUNDS_NS) + 3


def test_what_is_unknown_is_absent(serve: Serve) -> None:
    snapshot = Snapshot(LABELS, gauges={"clock_error_seconds": None, "clock_offset_seconds": {}, "connected": 0.0})
    families = scrape(serve(lambda: snapshot))
    assert [name for name, family in families.items() if "clock" in name and family.samples] == []
    assert samples(families["keydb_observer_connected"]) == {("keydb_observer_connected",): 0.0}


def test_observer_without_figures_still_tells_of_its_process(serve: Serve) -> None:
    families = scrape(serve(lambda: Snapshot({})))
    assert families["process_resident_memory_bytes"].samples[0].value > 1_000_000
    assert not [name for name in families if name.startswith("keydb")]


@pytest.mark.parametrize(
    "figures",
    [
        {"counters": {"event": 1}},
        {"counters": {"connected": 1}},
        {"counters": {"events_total": 1}},
        {"gauges": {"keydb_observer_home": 1}},
        {"gauges": {"clock_offset_seconds": 1.0}},
        {"gauges": {"clock_offset_seconds": {(("host", "node3"),): 1.0}}},
        {"gauges": {"home": {(("host", "node3"),): 1.0}}},
        {"histograms": {"round_trip": Histogram()}},
    ],
)
def test_a_typo_does_not_vanish(figures: dict[str, dict[str, object]]) -> None:
    with pytest.raises(KeyError):
        Snapshot(LABELS, **figures)  # type: ignore[arg-type]


def test_each_scrape_collects_anew(serve: Serve) -> None:
    asked = iter(range(100))
    endpoint = serve(lambda: Snapshot(LABELS, {"events": next(asked)}))
    values = [scrape(endpoint)["keydb_observer_events"].samples[0].value for _ in range(3)]
    assert values == [1, 2, 3], "it collects once when it starts"


def test_other_requests(serve: Serve) -> None:
    endpoint = serve(lambda: Snapshot(LABELS))
    assert get(endpoint, "/") == (200, "keydb-observer: the figures are at /metrics\n")
    assert get(endpoint, "/metrics?name=x")[0] == 200
    assert get(endpoint, "/metrics/")[0] == 404
    assert get(endpoint, "/favicon.ico")[0] == 404
    assert get(endpoint, method="POST")[0] == get(endpoint, method="DELETE")[0] == 501


def test_trouble_in_collecting_is_told_to_the_scraper(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    answers = iter([Snapshot(LABELS)])

    def collect() -> Snapshot:
        for answer in answers:
            return answer
        raise RuntimeError("surprise")

    endpoint = serve(collect)
    assert get(endpoint) == (500, "no figures: RuntimeError('surprise')\n")
    assert get(endpoint, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_trouble_in_collecting_is_known_at_the_start() -> None:
    endpoint = MetricsEndpoint("127.0.0.1", 0, lambda: Snapshot(LABELS, {"typo": 1}))
    with pytest.raises(KeyError, match="typo"):
        endpoint.start()


def test_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        endpoint = MetricsEndpoint("127.0.0.1", port, lambda: Snapshot({}))
        with pytest.raises(OSError, match=rf"^metrics cannot be served at 127.0.0.1:{port}: Address already in use$"):
            endpoint.start()
    endpoint.stop()


def test_address_of_another_host() -> None:
    with pytest.raises(OSError, match=r"^metrics cannot be served at 192\.0\.2\.1:9: Cannot assign requested address$"):
        MetricsEndpoint("192.0.2.1", 9, lambda: Snapshot({})).start()


def test_address_is_given_back() -> None:
    port = free_port()
    for _ in range(2):
        endpoint = MetricsEndpoint("127.0.0.1", port, lambda: Snapshot(LABELS))
        endpoint.start()
        assert get(endpoint)[0] == 200
        endpoint.stop()


def test_scrapers_that_hang_and_go_away(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    endpoint = serve(lambda: Snapshot(LABELS))
    hanging = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(5)]
    for scraper in hanging:
        scraper.sendall(b"GET /metrics HT")
    assert get(endpoint)[0] == 200
    hanging += [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(20)]
    # The last ones are hung up on, instead of getting threads without end.
    hanging[-1].settimeout(10)
    assert hanging[-1].recv(1) == b""
    assert sum("process_request" in thread.name for thread in threading.enumerate()) <= 8
    for scraper in hanging:
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        scraper.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert get(endpoint)[0] == 200
            break
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
    assert capfd.readouterr().err == ""
