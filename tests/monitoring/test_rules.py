"""Each alert fires when it must, and not a moment before: the rules by themselves, on figures made up for it.

That real sources serve such figures when there is such a cause, test_real_causes.py shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from monitoring_alerts import FIRING, Scrape, assert_expression, assert_firing, promtool

DAY = 86_400


@dataclass(frozen=True)
class Case:
    """Figures of a job, and the seconds after which the alert fires that is none after ``quiet`` seconds.

    ``before`` are those of the minute before, where the alert is about a change.
    """

    alert: str
    job: str
    text: str
    fires: int
    quiet: int | None = None
    before: str = ""
    up: bool = True


EXPIRY = "keydb_node_certificate_expiry_timestamp_seconds"
HISTOGRAM = "# TYPE keydb_observer_event_difference_seconds histogram\n"


def late(at_once: int, after_200_ms: int) -> str:
    """So many events within 100 ms, and so many within 200 ms."""
    name, bounds = "keydb_observer_event_difference_seconds_bucket", ("0.1", "0.2", "+Inf")
    counts = (at_once, at_once + after_200_ms, at_once + after_200_ms)
    return HISTOGRAM + "".join(
        f'{name}{{listener="sync",le="{bound}"}} {count}\n' for bound, count in zip(bounds, counts, strict=True)
    )


CASES = [
    Case("TargetDown", "observer", "", 60, 45, up=False),
    Case("EngineDown", "engine", "redis_up 0\n", 30, 15),
    Case("LinkDown", "engine", 'redis_master_link_up{master_host="10.77.0.12"} 0\n', 30, 15),
    Case("ReplicationLag", "engine", 'redis_connected_slave_lag_seconds{slave_ip="a"} 11\n', 30, 15),
    Case(
        "ReplicationLag",
        "engine",
        f'redis_master_repl_offset {2**24 + 101}\nredis_connected_slave_offset_bytes{{slave_ip="a"}} 100\n',
        30,
        15,
    ),
    Case(
        "MissedEvents",
        "observer",
        'keydb_observer_writes_missed_total{listener="sync"} 8\n',
        0,
        before='keydb_observer_writes_missed_total{listener="sync"} 7\n',
    ),
    Case("ObserverCutOff", "observer", "keydb_observer_connected 0\n", 60, 45),
    Case(
        "NodesDiffered",
        "node",
        "keydb_healing_repaired_keys_total 2\n",
        0,
        before="keydb_healing_repaired_keys_total 0\n",
    ),
    Case("NodesDiffer", "node", "keydb_healing_different_keys 1\n", 300, 285),
    Case("HealingWaits", "node", "keydb_healing_waits 1\n", 600, 585),
    Case("HealingStopped", "node", "keydb_healing_run_timestamp_seconds 0\n", 3915, 3900),
    Case("CertificateDue", "node", f'{EXPIRY}{{file="a"}} {30 * DAY}\n', 315, 300),
    Case("Throttled", "node", 'keydb_node_throttling{condition="under-voltage",when="now"} 1\n', 60, 45),
    Case("WasThrottled", "node", 'keydb_node_throttling{condition="under-voltage",when="since boot"} 1\n', 0),
    Case("ClockError", "node", "keydb_node_clock_error_seconds 0.0011\n", 120, 105),
    Case("ClockNotSynchronised", "node", "keydb_node_clock_synchronised 0\n", 120, 105),
    Case("FactsOutdated", "node", 'node_textfile_mtime_seconds{file="/run/keydb-node-facts/node.prom"} 0\n', 375, 360),
    Case("FactsOutdated", "node", "node_textfile_scrape_error 1\n", 60, 45),
]

# What the node's other figures say meanwhile, so that their absence is no news.
FACTS = Scrape(f'keydb_node_certificate_expiry_timestamp_seconds{{file="ca"}} {9 * 365 * DAY}\n', "node")

WELL = {
    "engine": (
        "redis_up 1\n"
        'redis_master_link_up{master_host="10.77.0.12"} 1\n'
        'redis_connected_slave_lag_seconds{slave_ip="a"} 10\n'
        f'redis_master_repl_offset {2**24 + 100}\nredis_connected_slave_offset_bytes{{slave_ip="a"}} 100\n'
    ),
    "observer": ('keydb_observer_writes_missed_total{listener="sync"} 7\nkeydb_observer_connected 1\n' + late(1000, 0)),
    "node": (
        "keydb_healing_repaired_keys_total 2\nkeydb_healing_different_keys 0\nkeydb_healing_waits 0\n"
        "keydb_healing_run_timestamp_seconds 3599\n"
        f'keydb_node_certificate_expiry_timestamp_seconds{{file="a"}} {32 * DAY}\n'
        'keydb_node_throttling{condition="under-voltage",when="now"} 0\n'
        'keydb_node_throttling{condition="under-voltage",when="since boot"} 0\n'
        "keydb_node_clock_error_seconds 0.00099\nkeydb_node_clock_synchronised 1\n"
        'node_textfile_mtime_seconds{file="/run/keydb-node-facts/node.prom"} 3599\nnode_textfile_scrape_error 0\n'
    ),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_when_it_must_and_not_before(rules: Path, case: Case) -> None:
    begins = 60 if case.before else 0
    scrapes = [Scrape(case.text, case.job, up=case.up), FACTS]
    moments = [(begins, [Scrape(case.before, case.job), FACTS]), (case.fires + 15, scrapes)]
    assert_firing(rules, moments, [(case.alert, "node1")])
    if case.quiet is not None:
        assert_expression(rules, moments, f"{begins + case.quiet}s", FIRING, [])


@pytest.mark.parametrize(("slow", "fires"), [(3, [("EventsLate", "node1")]), (1, [])], ids=["late", "in time"])
def test_events_that_are_late_for_five_minutes(rules: Path, slow: int, fires: list[tuple[str, str]]) -> None:
    """Of two hundred events in each quarter of a minute."""
    moments = [(15, [Scrape(late(step * (200 - slow), step * slow), "observer")]) for step in range(22)]
    assert_firing(rules, moments, fires)
    assert_firing(rules, moments[:-1], [])


def test_a_node_without_any_facts_is_noticed(rules: Path) -> None:
    assert_firing(rules, [(75, [Scrape("", "node")])], [("FactsOutdated", "node1")])


def test_nothing_fires_while_all_is_well(rules: Path) -> None:
    moments = [(7200, [Scrape(text, job) for job, text in WELL.items()])]
    # The same figures for two hours: those who say when they were written last are too old by then.
    assert_expression(rules, moments, "1h", FIRING, [])


def alerts(rules: Path) -> list[dict[str, object]]:
    groups = yaml.safe_load(rules.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_every_alert_has_its_case(rules: Path) -> None:
    names = [rule["alert"] for rule in alerts(rules)]
    assert len(set(names)) == len(names)
    assert set(names) == {case.alert for case in CASES} | {"EventsLate"}


def test_what_is_recorded(rules: Path) -> None:
    scrape = Scrape(
        "redis_master_repl_offset 1000\n"
        'redis_connected_slave_offset_bytes{slave_ip="10.77.0.12"} 900\n'
        'redis_connected_slave_offset_bytes{slave_ip="10.77.0.13"} 1001\n'
        'redis_master_link_up{master_host="10.77.0.12"} 1\n'
        'redis_master_link_up{master_host="10.77.0.13"} 0\n',
        "engine",
    )
    peers = {"10.77.0.12": "node2", "10.77.0.13": "node3"}
    lag = [
        {"labels": '{node="node1", peer="node2"}', "value": 100},
        # Its answer has overtaken the exporter's own.
        {"labels": '{node="node1", peer="node3"}', "value": 0},
    ]
    assert_expression(rules, [(15, [scrape])], "0s", "sum without () (keydb:replication_lag_bytes)", lag, peers)
    down = [{"labels": '{node="node1"}', "value": 1}]
    assert_expression(rules, [(15, [scrape])], "0s", "sum by (node) (keydb:links_down)", down, peers)


def test_promtool_finds_nothing_wrong_with_the_rules(rules: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))
