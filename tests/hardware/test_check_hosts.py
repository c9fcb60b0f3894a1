"""The whole playbook over an inventory of all recorded boards, each in the place of a host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hardware_boards import BAD, BOARDS, GOOD, Said
from hosts_report import hosts_report, hosts_table

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """What one run said and left."""

    code: int
    output: str
    report: dict[str, Any]

    def findings(self, host: str) -> list[dict[str, str]]:
        (found,) = [each["findings"] for each in self.report["hosts"] if each["name"] == host]
        return list(found)


def check(directory: Path, names: list[str], **variables: Any) -> Run:
    """Run check_hosts.yml over these boards, each with an address of its own."""
    hosts = {
        name: {"cluster_network_address": f"10.77.0.{11 + index}", "hardware_recording": str(BOARDS / name)}
        for index, name in enumerate(names)
    }
    tree = {
        "all": {
            "vars": {
                "cluster_network_cidr": "10.77.0.0/24",
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": sys.executable,
                **variables,
            },
            "children": {"keydb_nodes": {"hosts": hosts}},
        }
    }
    (directory / "hosts.yml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(directory / "ansible"),
    }
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            str(directory / "hosts.yml"),
            "-e",
            f"results_dir={directory}/results",
            str(PROJECT / "playbooks" / "check_hosts.yml"),
        ],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    latest = directory / "results" / "latest.json"
    assert latest.is_file(), done.stdout + done.stderr
    return Run(done.returncode, done.stdout + done.stderr, json.loads(latest.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def all_boards(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return check(tmp_path_factory.mktemp("all"), [*GOOD, *BAD])


@pytest.mark.parametrize("name", BAD)
def test_each_problem_is_named_with_its_remedy(all_boards: Run, name: str) -> None:
    findings = all_boards.findings(name)
    for said in BAD[name]:
        (finding,) = [each for each in findings if said.what in each["what"]]
        assert finding["severity"] == said.severity
        assert said.remedy in finding["remedy"]
    assert len(findings) == len(BAD[name])


@pytest.mark.parametrize("name", GOOD)
def test_no_false_alarm_on_a_good_board(all_boards: Run, name: str) -> None:
    assert all_boards.findings(name) == []
    table, _, _ = all_boards.output.partition("PLAY RECAP")
    (line,) = [line for line in table.splitlines() if re.match(rf"\s*{name}  ", line)]
    assert line.rstrip().endswith("good")


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_people_can_read_all_of_it(all_boards: Run) -> None:
    """The table has a line for each host, and every finding is below it with its remedy."""
    said = _flat(all_boards.output)
    assert "HOST BOARD MEMORY DATA ON KERNEL, PAGES HEAT, THROTTLED VERDICT" in said
    for name, expected in BAD.items():
        for each in expected:
            assert f"{each.severity.upper()} {name}: " in said
            assert _flat(each.what) in said
            assert _flat(each.remedy) in said


def test_only_what_stops_fails_the_run(all_boards: Run, tmp_path: Path) -> None:
    stops = [name for name, said in BAD.items() if any(each.severity == "stop" for each in said)]
    assert all_boards.code != 0
    assert all_boards.report["stops"] == len(stops) > 0
    slow = check(tmp_path, [name for name in (*GOOD, *BAD) if name not in stops])
    assert slow.code == 0, slow.output
    assert slow.report["stops"] == 0
    assert slow.report["warnings"] == all_boards.report["warnings"] > 0


def test_nothing_is_changed(all_boards: Run) -> None:
    recap = re.findall(r"changed=(\d+)", all_boards.output)
    assert len(recap) == len(GOOD) + len(BAD)
    assert set(recap) == {"0"}


def test_what_the_inventory_accepts_or_gets_wrong_is_weighed_too(tmp_path: Path) -> None:
    names = ["pi5-16k", "pi4b-old-kernel", "pc-nvme"]
    run = check(tmp_path, names, keydb_engine="valkey", hardware_ignore_cow_bug=True, keydb_maxclients=1)
    assert run.code != 0
    for name in names:
        assert any("keydb_maxclients is out of range" in each["what"] for each in run.findings(name))
    assert not any("pages" in each["what"] for each in run.findings("pi5-16k"))
    (accepted,) = [each for each in run.findings("pi4b-old-kernel") if each["about"] == "arm64 copy-on-write"]
    assert accepted["severity"] == "warn"


def test_a_recording_that_is_not_there_stops_that_host_only(tmp_path: Path) -> None:
    run = check(tmp_path, ["pi4b-4gb", "pi4b-9gb"])
    assert run.code != 0
    (finding,) = run.findings("pi4b-9gb")
    assert "there is no recording at" in finding["why"]
    assert run.findings("pi4b-4gb") == []


def test_an_unreachable_host_is_one_finding() -> None:
    unreachable = {"unreachable": True, "msg": "Connection timed out"}
    facts = {"__facts": unreachable, "__hardware": unreachable, "__inventory": {"problems": []}}
    report = hosts_report(["pi1"], {"pi1": facts}, ["__inventory", "__facts", "__hardware"])
    assert report["stops"] == 1
    assert "STOP  pi1: the host could not be reached" in hosts_table(report)


def test_a_source_needs_nothing_but_findings() -> None:
    """What another task registers is shown as it is."""
    said = Said("warn", "the link runs at 100 Mbit/s", "Use a cable of category 5e.")
    finding = {
        "severity": said.severity,
        "about": "link",
        "what": said.what,
        "why": "It is slow.",
        "remedy": said.remedy,
    }
    report = hosts_report(["pi1"], {"pi1": {"__link": {"findings": [finding]}}}, ["__link"])
    assert (report["stops"], report["warnings"]) == (0, 1)
    assert f"WARN  pi1: {said.what}" in hosts_table(report)
    assert said.remedy in hosts_table(report)
