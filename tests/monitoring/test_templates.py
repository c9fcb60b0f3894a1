"""What the role writes on a node and on the monitoring host."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from monitoring_alerts import promtool
from monitoring_render import PASSWORD, ROLE, Rendered, render

Renderings = dict[str, Rendered]
SERVER = "node3"
EXPORTERS = ("keydb-node-exporter", "keydb-engine-exporter")
HOSTS = {f"node{number}": f"10.77.0.1{number}" for number in (1, 2, 3)}
LISTEN = {
    "keydb-node-exporter": "--web.listen-address=10.77.0.12:9100",
    "keydb-engine-exporter": "-web.listen-address 10.77.0.12:9121",
}


def test_prometheus_is_on_the_monitoring_host_only(rendered: Renderings) -> None:
    for name, node in rendered.items():
        written = [file for file in node.names() if "prometheus" in file or file == "rules.yml"]
        expected = ["rules.yml", "prometheus.yml", "keydb-prometheus.service"] if name == SERVER else []
        assert written == expected
        states = {unit["name"]: unit.get("state", "started") for unit in node.units}
        assert states == {
            "keydb-node-facts.timer": "started",
            "keydb-node-exporter.service": "started",
            "keydb-engine-exporter.service": "started",
            "keydb-prometheus.service": "started" if name == SERVER else "absent",
        }


@pytest.mark.parametrize("unit", EXPORTERS)
def test_an_exporter_listens_on_the_cluster_network_and_talks_to_it_only(rendered: Renderings, unit: str) -> None:
    lines = rendered["node2"].text(f"{unit}.service").splitlines()
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    assert LISTEN[unit] in command
    allowed = [line for line in lines if line.startswith("IPAddress")]
    assert allowed == ["IPAddressDeny=any", "IPAddressAllow=10.77.0.0/24"]


def test_the_packages_own_units_are_masked(rendered: Renderings) -> None:
    for name, node in rendered.items():
        masked = sorted(Path(path).name for path, entry in node.files.items() if entry.get("link") == "/dev/null")
        packages = [
            "prometheus-node-exporter",
            "prometheus-redis-exporter",
            *(["prometheus"] if name == SERVER else []),
        ]
        assert masked == [f"{package}.service" for package in packages]


def test_the_password_is_in_one_file_that_only_root_reads(rendered: Renderings) -> None:
    node = rendered["node1"]
    having = [path for path, entry in node.files.items() if PASSWORD in json.dumps(entry)]
    assert having == ["/etc/keydb-monitoring/engine-exporter.json"]
    entry = node.files[having[0]]
    assert (entry["mode"], "content" in entry) == ("0600", False)
    assert json.loads(entry["secret_content"]) == {"rediss://10.77.0.11:6379": PASSWORD}
    unit = node.text("keydb-engine-exporter.service")
    # The exporter looks the password up by its server's address.
    assert "-redis.addr rediss://10.77.0.11:6379 " in unit
    assert "LoadCredential=passwords.json:/etc/keydb-monitoring/engine-exporter.json" in unit


def test_everything_that_a_unit_is_started_with_is_noted(rendered: Renderings) -> None:
    for unit in (*EXPORTERS, "keydb-prometheus"):
        lines = rendered[SERVER].text(f"{unit}.service").splitlines()
        (note,) = [line for line in lines if line.startswith("ExecStartPre=")]
        sources = [line.partition(":")[2] for line in lines if line.startswith("LoadCredential=")]
        (command,) = [line for line in lines if line.startswith("ExecStart=")]
        read = [*sources, *re.findall(r"/etc/keydb-monitoring/\S+", command)]
        assert read
        assert [path for path in read if path not in note.split()] == []
        assert f"/etc/systemd/system/{unit}.service" in note


def test_only_the_healing_node_tells_about_the_healing(rendered: Renderings) -> None:
    telling = [name for name, node in rendered.items() if "--healing" in node.text("keydb-node-facts.service")]
    assert telling == ["node1"]


@pytest.mark.parametrize(
    ("variables", "there", "gone"),
    [
        ({}, ["--clock", "--healing", "--certificate /etc/keydb/tls/server.crt"], ["--hardware"]),
        ({"time_sync_enabled": False, "healing_enabled": False}, ["--certificate"], ["--clock", "--healing"]),
        ({"keydb_engine": "valkey"}, ["--clock"], ["--healing"]),
        ({"hardware_recording": "/usr/local/share/board"}, ["--hardware /usr/local/share/board"], []),
    ],
)
def test_facts_are_read_of_what_is_there(
    tmp_path: Path, variables: dict[str, object], there: list[str], gone: list[str]
) -> None:
    text = render(tmp_path, HOSTS, variables)["node1"].text("keydb-node-facts.service")
    assert [words for words in there if f" {words}" not in text] == []
    assert [words for words in gone if words in text] == []


def test_prometheus_finds_every_target_by_its_node(rendered: Renderings) -> None:
    settings = yaml.safe_load(rendered[SERVER].text("prometheus.yml"))
    targets = {
        (job["job_name"], target, config["labels"]["node"])
        for job in settings["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    }
    assert targets == {
        *(("node", f"{address}:9100", name) for name, address in HOSTS.items()),
        *(("engine", f"{address}:9121", name) for name, address in HOSTS.items()),
        ("observer", "10.77.0.11:9611", "node1"),
        ("observer", "10.77.0.12:9612", "node2"),
        ("observer", "10.77.0.13:9613", "node3"),
        ("prometheus", "127.0.0.1:9090", "node3"),
    }
    (engine,) = [job for job in settings["scrape_configs"] if job["job_name"] == "engine"]
    names = {rule["regex"].replace("\\", ""): rule["replacement"] for rule in engine["metric_relabel_configs"]}
    assert names == {address: name for name, address in HOSTS.items()}
    assert {job["job_name"]: job.get("scheme", "http") for job in settings["scrape_configs"]} == {
        "node": "https",
        "engine": "https",
        "observer": "http",
        "prometheus": "http",
    }


def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    variables = {"monitoring_alertmanagers": ["127.0.0.1:9093"], "observers_metrics_ports": {"writer": 0}}
    node = render(tmp_path, HOSTS, variables)[SERVER]
    path = tmp_path / "prometheus.yml"
    path.write_text(node.text("prometheus.yml"), "utf-8")
    promtool("check", "config", "--syntax-only", str(path))
    settings = yaml.safe_load(path.read_text("utf-8"))
    assert settings["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]
    (observers,) = [job for job in settings["scrape_configs"] if job["job_name"] == "observer"]
    assert observers["static_configs"] == []


def test_who_turns_it_off_has_nothing_of_it(tmp_path: Path) -> None:
    for node in render(tmp_path, HOSTS, server="").values():
        assert {entry.get("state") for entry in node.files.values()} == {"absent"}
        assert {unit["state"] for unit in node.units} == {"absent"}
        assert "keydb-node-facts.service" in [unit["name"] for unit in node.units]


def test_grafana_is_given_the_dashboard_where_it_is_asked_for(rendered: Renderings, tmp_path: Path) -> None:
    nodes = render(tmp_path, HOSTS, {"monitoring_grafana_enabled": True})
    for node in (rendered[SERVER], nodes["node1"]):
        states = [entry.get("state") for path, entry in node.files.items() if "grafana" in path]
        assert states == ["absent"] * 3
    files = {path: entry for path, entry in nodes[SERVER].files.items() if "grafana" in path}
    provider = yaml.safe_load(files["/etc/grafana/provisioning/dashboards/keydb.yml"]["content"])
    directory = provider["providers"][0]["options"]["path"]
    assert json.loads(files[f"{directory}/keydb-dashboard.json"]["content"])["title"] == "KeyDB cluster"
    source = yaml.safe_load(files["/etc/grafana/provisioning/datasources/keydb.yml"]["content"])
    assert source["datasources"][0]["url"] == "http://127.0.0.1:9090"


def test_systemd_understands_the_units(rendered: Renderings, tmp_path: Path) -> None:
    for name in [name for name in rendered[SERVER].names() if name.endswith((".service", ".timer"))]:
        runnable = re.sub(r"^(Exec\w+=\+?)(/\S+)", r"\1/bin/true", rendered[SERVER].text(name), flags=re.MULTILINE)
        (tmp_path / name).write_text(runnable, "utf-8")
    for file in sorted(tmp_path.iterdir()):
        command = ["systemd-analyze", "verify", "--recursive-errors=no", str(file)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert [line for line in said.stderr.splitlines() if file.name in line and "man page" not in line.lower()] == []


def test_defaults_of_other_roles_are_what_this_one_takes_them_for() -> None:
    defaults = {
        role: yaml.safe_load((ROLE.parent / role / "defaults" / "main.yml").read_text("utf-8"))
        for role in ("observers", "pki", "keydb", "time_sync", "monitoring")
    }
    text = (ROLE / "vars" / "main.yml").read_text("utf-8") + (ROLE / "defaults" / "main.yml").read_text("utf-8")
    ports = re.search(r"observers_metrics_ports \| default\((\{.*?\})\)", text)
    assert ports
    assert yaml.safe_load(ports[1]) == defaults["observers"]["observers_metrics_ports"]
    assert f"keydb_port | default({defaults['keydb']['keydb_port']})" in text
    firewall = (ROLE.parent / "firewall" / "vars" / "main.yml").read_text("utf-8")
    for name in ("monitoring_node_exporter_port", "monitoring_engine_exporter_port"):
        assert f"{name} | default({defaults['monitoring'][name]})" in firewall
    assert f"pki_renew_before_days | default({defaults['pki']['pki_renew_before_days']})" in text
    assert defaults["time_sync"]["time_sync_enabled"] is True
    directories = {each["directory"] for each in defaults["pki"]["pki_certificates"]}
    assert set(re.findall(r"(/etc/\S+/tls)/", text)) == directories
