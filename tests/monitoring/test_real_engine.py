"""Debian's exporters beside real engines, as the role's units run them: links, lag and engines that are really gone.

Redis always; KeyDB where an archive or KEYDB_SERVER says where it is.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keydb_node_facts
import pytest
from host_reader import HostReader
from keydb_observer.metrics import COUNTERS, GAUGES, HISTOGRAMS, PREFIX
from monitoring_alerts import Scrape, assert_firing, names_in
from monitoring_real import Unit, eventually, fetch, free_port, scraped
from monitoring_render import ROLE, Rendered, render
from prometheus_client.parser import text_string_to_metric_families
from roles_servers import ADDRESSES, Servers, has_keydb, program_of

LAG_S = 2


@dataclass
class Cluster:
    """Three real servers, and real exporters on the second node, which replicates from the first one."""

    servers: Servers
    rendered: dict[str, Rendered]
    engine_exporter: Unit
    node_exporter: Unit
    prometheus: Unit
    rules: Path
    ports: dict[str, int]

    @property
    def tls(self) -> Path:
        return self.servers.directory / "node2" / "etc" / "tls"

    def url(self, job: str) -> str:
        return f"https://{ADDRESSES['node2']}:{self.ports[job]}/metrics"

    def scrape(self, job: str = "engine") -> Scrape:
        return scraped(self.url(job), job, "node2", self.tls)

    def assert_firing(self, scrape: Scrape, seconds: int, *expected: str) -> None:
        """These alerts of the second node, when for so long every scrape is like this one."""
        peers = {address: name for name, address in ADDRESSES.items()}
        assert_firing(self.rules, [(seconds, [scrape])], [(alert, "node2") for alert in expected], peers)

    def values(self, name: str) -> dict[str, float]:
        """Of a metric of the exporter: address of the other end to value."""
        families = text_string_to_metric_families(self.scrape().text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {each.labels.get("master_host", each.labels.get("slave_ip", "")): each.value for each in samples}


@pytest.fixture(scope="module", params=["redis", *(["keydb"] if has_keydb() else [])])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp(request.param)
    servers = Servers(request.param, program_of(request.param, directory), directory)
    servers.render()
    ports = {job: free_port(ADDRESSES["node2"]) for job in ("node", "engine", "prometheus")}
    variables = {
        "keydb_engine": request.param,
        "keydb_port": servers.port,
        "keydb_passwords": {"exporter": servers.passwords["exporter"]},
        "cluster_network_cidr": "127.71.0.0/24",
        "monitoring_engine_exporter_port": ports["engine"],
        "monitoring_node_exporter_port": ports["node"],
        "monitoring_prometheus_port": ports["prometheus"],
        "monitoring_interval": 1,
        "monitoring_alert_lag_seconds": LAG_S,
    }
    (directory / "monitoring").mkdir()
    rendered = render(directory / "monitoring", ADDRESSES, variables)
    rules = directory / "rules.yml"
    rules.write_text(rendered["node3"].text("rules.yml"), "utf-8")
    tls = directory / "node2" / "etc" / "tls"
    units = [
        Unit(name, "node2", rendered["node2"], directory / name, tls)
        for name in ("keydb-engine-exporter", "keydb-node-exporter")
    ]
    units.append(Unit("keydb-prometheus", "node3", rendered["node3"], directory / "prometheus", tls))
    try:
        for name in ADDRESSES:
            servers.start(name)
        servers.wait_until_ready()
        for unit in units:
            unit.start()
        yield Cluster(servers, rendered, *units, rules, ports)
    finally:
        for unit in units:
            unit.stop()
        for name in list(servers.processes):
            servers.processes[name].send_signal(signal.SIGCONT)
            servers.kill(name)


def test_the_exporter_tells_of_every_link_and_is_refused_nothing(cluster: Cluster) -> None:
    sources = {ADDRESSES[name] for name in cluster.servers.sources("node2")}
    assert cluster.values("redis_master_link_up") == dict.fromkeys(sources, 1)
    assert cluster.values("redis_up") == {"": 1}
    cluster.assert_firing(cluster.scrape(), 60)
    log = cluster.engine_exporter.log()
    assert "NOPERM" not in log
    assert cluster.servers.passwords["exporter"] not in log
    command = Path("/proc", str(cluster.engine_exporter.process.pid)) if cluster.engine_exporter.process else Path()
    for file in ("cmdline", "environ"):
        assert cluster.servers.passwords["exporter"] not in (command / file).read_text("utf-8")


@pytest.mark.parametrize("job", ["engine", "node"])
def test_who_shows_no_certificate_is_told_nothing(cluster: Cluster, job: str) -> None:
    cluster.scrape(job)
    with pytest.raises(OSError, match=r"certificate required|bad certificate"):
        fetch(cluster.url(job), cluster.tls, with_certificate=False)


def test_a_replica_that_hangs_lags(cluster: Cluster) -> None:
    """Seen by the node that it replicates from."""
    if not cluster.servers.is_mesh:
        pytest.skip("node2 has no replicas to tell of; with KeyDB it has")
    hung = cluster.servers.processes["node3"]
    hung.send_signal(signal.SIGSTOP)
    try:
        eventually(
            lambda: cluster.values("redis_connected_slave_lag_seconds")[ADDRESSES["node3"]] > LAG_S, "node3 is silent"
        )
        scrape = cluster.scrape()
    finally:
        hung.send_signal(signal.SIGCONT)
    cluster.assert_firing(scrape, 60, "ReplicationLag")
    eventually(
        lambda: cluster.values("redis_connected_slave_lag_seconds")[ADDRESSES["node3"]] <= LAG_S, "node3 is back"
    )
    cluster.assert_firing(cluster.scrape(), 60)


def test_prometheus_tells_whom_it_reaches_and_whom_it_does_not(cluster: Cluster) -> None:
    """Of the nodes only the second one has exporters here, and nobody has observers."""

    def targets() -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{cluster.ports['prometheus']}/api/v1/targets"
        found: list[dict[str, Any]] = json.loads(scraped(url, "prometheus", "node3").text)["data"]["activeTargets"]
        return found

    eventually(lambda: {each["health"] for each in targets()} == {"up", "down"}, "every target was scraped")
    health = {(each["labels"]["job"], each["labels"]["node"]): each["health"] for each in targets()}
    up = {("engine", "node2"), ("node", "node2"), ("prometheus", "node3")}
    expected = {(job, node) for job in ("engine", "node", "observer") for node in ADDRESSES}
    assert health == {target: "up" if target in up else "down" for target in expected | up}
    scrapes = [Scrape("", job, node, up=state == "up") for (job, node), state in health.items() if job != "node"]
    down = {node for (job, node), state in health.items() if job != "node" and state == "down"}
    assert_firing(cluster.rules, [(90, scrapes)], [("TargetDown", node) for node in down])


def test_facts_that_nobody_writes_any_more(cluster: Cluster) -> None:
    directory = cluster.node_exporter.directory
    facts = keydb_node_facts.certificates(HostReader(), [str(cluster.tls / "ca.crt")])
    keydb_node_facts.write(keydb_node_facts.rendered(facts), directory / "node.prom")
    scrape = cluster.scrape("node")
    # The exporter names the file by where it is, which is another place here.
    scrape = Scrape(scrape.text.replace(str(directory), "/run/keydb-node-facts"), "node", "node2", time.time())
    due = ["CertificateDue"]  # these certificates are good for a day
    cluster.assert_firing(scrape, 300 + 30, *due)
    cluster.assert_firing(scrape, 300 + 120, *due, "FactsOutdated")


def test_every_figure_that_rules_and_dashboard_ask_for_is_served(cluster: Cluster) -> None:
    """But for the temperature, for which a machine needs a sensor that this one may lack."""
    if not cluster.servers.is_mesh:
        pytest.skip("node2 has no replicas to tell of; with KeyDB it has")
    dashboard = (ROLE / "files" / "keydb-dashboard.json").read_text("utf-8")
    asked = names_in(cluster.rules.read_text("utf-8")) | names_in(dashboard)
    text = cluster.scrape("engine").text + cluster.scrape("node").text
    served = names_in(text) | {f"{PREFIX}{name}_total" for name in COUNTERS} | {PREFIX + name for name in GAUGES}
    served |= {f"{PREFIX}{name}_bucket" for name in HISTOGRAMS}
    served |= names_in(Path(keydb_node_facts.__file__).read_text("utf-8"))
    missing = {name for name in asked - served if name.startswith(("redis_", "node_", "keydb_"))}
    assert missing == {"node_thermal_zone_temp"} - served


def test_a_link_and_an_engine_that_are_gone(cluster: Cluster) -> None:
    """Comes last: it kills the servers."""
    cluster.servers.kill("node1")
    eventually(lambda: cluster.values("redis_master_link_up")[ADDRESSES["node1"]] == 0, "the link is down")
    cluster.assert_firing(cluster.scrape(), 60, "LinkDown")
    cluster.servers.kill("node2")
    cluster.assert_firing(cluster.scrape(), 60, "EngineDown")
