"""What the observers serve to Prometheus, as another node of the cluster network gets it."""

from __future__ import annotations

import on_node_services
import pytest
from nodes_cluster import LISTENERS, OBSERVERS, Cluster
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "keydb_observer_"


def figures_of(cluster: Cluster, unit: str) -> dict[str, float]:
    """Sample to value, without labels; of a histogram its count and sum."""
    (node,) = cluster.with_observer(unit)
    url = f"http://{node.address}:{cluster.metrics_port(unit)}/metrics"
    answer = cluster.next_to(node).ask(on_node_services.fetch, url=url)
    assert answer["status"] == 200
    assert answer["type"].startswith("text/plain; version=")
    samples = [sample for family in text_string_to_metric_families(answer["text"]) for sample in family.samples]
    ours = [each for each in samples if each.name.startswith(PREFIX)]
    name = unit.removeprefix("observer-")
    identity = {"writer": node.name} if name == "writer" else {"listener": name, "host": node.name}
    for sample in ours:
        # An offset is that of a listener's clock, which it names beside the writer.
        assert identity.items() <= sample.labels.items(), sample
    return {each.name.removeprefix(PREFIX): each.value for each in ours if not each.name.endswith("_bucket")}


@pytest.mark.parametrize("unit", LISTENERS)
def test_a_listener_serves_what_it_counted(cluster: Cluster, unit: str) -> None:
    figures = figures_of(cluster, unit)
    assert figures["events_total"] > 0
    assert figures["writes_read_total"] >= figures["event_difference_seconds_count"] > 0
    assert figures["value_difference_seconds_sum"] > figures["event_difference_seconds_sum"] > 0
    assert figures["answers_total"] > 0
    assert figures["connected"] == figures["home"] == 1
    assert figures["readings_foreign_total"] == figures["handler_failures_total"] == 0
    # chronyd knows how far the clock may be off: never by nothing, and between containers by less than 10 ms.
    assert 0 < figures["clock_error_seconds"] < 0.01


def test_the_writer_serves_what_it_counted(cluster: Cluster) -> None:
    figures = figures_of(cluster, "observer-writer")
    assert figures["writes_total"] > 0
    assert figures["round_trip_seconds_count"] > 0
    assert figures["round_trip_seconds_sum"] > 0
    assert abs(figures["clock_offset_seconds"]) < 1
    assert figures["connected"] == 1


def test_they_go_on_counting(cluster: Cluster) -> None:
    """Of two answers the later one is not the earlier one again."""
    before = {unit: figures_of(cluster, unit) for unit in OBSERVERS}
    (node,) = cluster.with_observer("observer-writer")
    node.ask(
        on_node_services.wait_for_lines,
        timeout=3 * cluster.interval + 60,
        unit="observer-writer",
        pattern="^writer wrote ",
        lines=2,
        wait=3 * cluster.interval + 10,
        cursor=node.ask(on_node_services.journal_cursor),
    )
    after = {unit: figures_of(cluster, unit) for unit in OBSERVERS}
    assert after["observer-writer"]["writes_total"] > before["observer-writer"]["writes_total"]
    for unit in LISTENERS:
        assert after[unit]["events_total"] > before[unit]["events_total"]
