"""Fixtures of the tests that look at the nodes of a converged cluster."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "monitoring")]

from nodes_cluster import Cluster, Node  # noqa: E402 - it follows the path


@pytest.fixture(scope="session", autouse=True)
def ssh_options() -> Iterator[tuple[str, ...]]:
    """One connection per node for the whole run, testinfra's own commands included."""
    # A socket's path may have 108 characters at most, so not pytest's own temporary directory.
    with tempfile.TemporaryDirectory(prefix="nodes-") as directory:
        options = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={directory}/%C")
        with pytest.MonkeyPatch.context() as patch:
            given = os.environ.get("ANSIBLE_SSH_EXTRA_ARGS", "")
            patch.setenv("ANSIBLE_SSH_EXTRA_ARGS", f"{given} {shlex.join(options)}".strip())
            yield options
        for control in Path(directory).iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "-"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, ssh_options: tuple[str, ...]) -> Cluster:
    inventory = request.config.getoption("ansible_inventory")
    runner = AnsibleRunner.get_runner(inventory)
    nodes = {}
    # In the inventory's own order: the first one may be the primary.
    for name in runner.inventory["keydb_nodes"]["hosts"]:
        variables = runner.get_variables(name)
        options = shlex.split(variables.get("ansible_ssh_common_args", ""))
        nodes[name] = Node(name, variables, (*options, *ssh_options), frozenset(variables["group_names"]))
    directory = Path(inventory).resolve()
    return Cluster(nodes, next(iter(nodes.values())).variables, directory if directory.is_dir() else directory.parent)


@pytest.fixture(scope="module")
def node(host: Host, cluster: Cluster) -> Node:
    """The node that the test looks at."""
    return cluster.nodes[host.backend.get_pytest_id().removeprefix("ansible://")]
