"""Every case through the real ansible-playbook, in front of a play that would contact every host.

SSH is replaced by a script that leaves a mark. A good inventory must leave it (the proof that the mark can be left), a
wrong one must not.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from preflight_cases import GOOD, WRONG, Case, good

PROJECT = Path(__file__).resolve().parents[2]
WRONG_CASES_AT_LEAST = 25
PLAYBOOK = """
- name: Check the inventory
  hosts: all:localhost
  gather_facts: false
  tasks:
    - name: Check the inventory
      ansible.builtin.import_role:
        name: preflight
        tasks_from: inventory.yml

- name: Contact every host
  hosts: all
  gather_facts: true
"""


@dataclass(frozen=True)
class Run:
    """What one run of ansible-playbook did."""

    code: int
    output: str
    contacted: bool
    problems: list[dict[str, str]]
    stats: Mapping[str, Mapping[str, int]]
    message: str


def run_case(case: Case, directory: Path, *, callback: str = "ansible.posix.json") -> Run:
    """Write the case's inventory below ``directory`` and run the playbook over it."""
    tree = good()
    case.change(tree, directory)
    (directory / "hosts.yml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    (directory / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (directory / "ansible.cfg").touch()
    mark, ssh = directory / "contacted", directory / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch '{mark}'\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(PROJECT / "roles"),
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "ANSIBLE_STDOUT_CALLBACK": callback,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", "hosts.yml", *case.arguments, "play.yml"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    problems: list[dict[str, str]] = []
    stats: dict[str, Any] = {}
    message = ""
    if callback.endswith("json"):
        report = json.loads(done.stdout)
        stats = report["stats"]
        results = [result for task in report["plays"][0]["tasks"] for result in task["hosts"].values()]
        problems = results[0]["problems"]
        message = next((result["msg"] for result in results if result.get("failed")), "")
    return Run(done.returncode, done.stdout + done.stderr, mark.exists(), problems, stats, message)


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Run each selected test's case, two at a time: most of a run is the start of ansible-playbook itself."""
    # Tests of other files have cases of their own.
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["case"].name for item in items if "case" in item.callspec.params}
    cases = [case for case in (*GOOD, *WRONG) if case.name in wanted]
    directories = [tmp_path_factory.mktemp(re.sub(r"\W", "_", case.name)) for case in cases]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip([case.name for case in cases], pool.map(run_case, cases, directories), strict=True))


def test_there_are_enough_wrong_cases() -> None:
    """The names are the keys of what ran, so two cases of one name would hide one."""
    assert len({case.name for case in (*GOOD, *WRONG)}) == len(GOOD) + len(WRONG)
    assert len(WRONG) >= WRONG_CASES_AT_LEAST
    assert all(case.expected for case in WRONG)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_good_inventory_passes(case: Case, runs: dict[str, Run]) -> None:
    """Nothing is reported, and the play behind it goes on to the hosts."""
    run = runs[case.name]
    assert run.problems == []
    assert run.message == ""
    assert run.contacted


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_wrong_inventory_is_refused(case: Case, runs: dict[str, Run]) -> None:
    """Exactly the expected problems are reported, in data and in words, and no host is contacted."""
    run = runs[case.name]
    found = {(problem["variable"], problem["host"]): problem for problem in run.problems}
    assert set(found) == {(expected.variable, expected.host) for expected in case.expected}
    assert len(run.problems) == len(case.expected)
    for expected in case.expected:
        problem = found[expected.variable, expected.host]
        assert expected.given in problem["given"]
        assert expected.allowed in problem["allowed"]
        block = f"  {problem['variable']}: {problem['problem']}\n    host     {problem['host']}\n"
        assert block + f"    given    {problem['given']}\n    allowed  {problem['allowed']}" in run.message
    assert run.code != 0
    assert not run.contacted
    assert sum(stats["failures"] for stats in run.stats.values()) >= 1
    assert all(stats["changed"] == 0 and stats["unreachable"] == 0 for stats in run.stats.values())


@pytest.mark.parametrize("case", [case for case in WRONG if case.never_shown], ids=lambda case: case.name)
def test_secret_is_not_shown(case: Case, runs: dict[str, Run]) -> None:
    """The report was made and holds no part of the secret."""
    assert runs[case.name].problems
    for secret in case.never_shown:
        assert secret not in runs[case.name].output


def test_people_see_one_aligned_block(tmp_path: Path) -> None:
    """The default output has the count and every problem, with the columns under each other."""
    case = next(case for case in WRONG if case.name.startswith("many at once"))
    run = run_case(case, tmp_path, callback="default")
    assert "4 problems in the inventory. No host has been changed." in run.output
    expected = "  keydb_maxmemory_mb: is out of range\n    host     pc1\n    given    1\n    allowed  64 or more MB\n"
    assert expected in run.output
    assert not run.contacted


def test_group_vars_count(tmp_path: Path) -> None:
    """Variables of group_vars and host_vars beside the inventory are judged as those inside it."""
    for name, text in (("group_vars/keydb_nodes.yml", "keydb_port: 80\n"), ("host_vars/pi3.yml", "pki_ca_days: 0\n")):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    run = run_case(Case("group_vars", lambda *_: None), tmp_path)
    found = {(problem["variable"], problem["host"], problem["given"]) for problem in run.problems}
    assert found == {("keydb_port", "all", "80"), ("pki_ca_days", "pi3", "0")}


def test_empty_inventory_is_refused(tmp_path: Path) -> None:
    """No host at all is wrong too, and must not pass because no host is there to run the check."""
    run = run_case(Case("empty", lambda tree, _: tree["all"].clear()), tmp_path)
    assert [(problem["variable"], problem["given"]) for problem in run.problems] == [("keydb_nodes", "no host")]
    assert run.code != 0
