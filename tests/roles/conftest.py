"""Makes what the roles send to nodes importable, as Ansible would have it there, and the modules beside this file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
sys.path[:0] = [
    str(_HERE),
    str(_REPOSITORY / "roles" / "keydb" / "library"),
    str(_REPOSITORY / "roles" / "keydb" / "module_utils"),
    str(_REPOSITORY / "roles" / "keydb" / "files" / "keydb-join"),
    str(_REPOSITORY / "roles" / "preflight" / "plugin_utils"),
    str(_REPOSITORY / "playbooks" / "filter_plugins"),
    str(_REPOSITORY / "app" / "src"),
]

import keydb_node  # noqa: E402 - it follows the path

# Under these names the role's modules import them.
sys.modules["ansible.module_utils.keydb_node"] = keydb_node

import keydb_config  # noqa: E402 - it imports the other one

sys.modules["ansible.module_utils.keydb_config"] = keydb_config

from roles_joining import MakeMesh, Mesh  # noqa: E402 - it follows the path
from roles_render import Rendered, render  # noqa: E402 - it follows the path
from roles_servers import program_of  # noqa: E402 - it follows the path


@pytest.fixture
def make_mesh(tmp_path: Path) -> Iterator[MakeMesh]:
    """All servers are killed at the end."""
    meshes: list[Mesh] = []

    def make(*, joins: bool = True, **overrides: object) -> Mesh:
        directory = tmp_path / f"mesh{len(meshes)}"
        directory.mkdir()
        mesh = Mesh("keydb", program_of("keydb", tmp_path), directory, overrides=overrides, joins=joins)
        meshes.append(mesh)
        mesh.render()
        mesh.bring_all_up()
        return mesh

    yield make
    for mesh in meshes:
        for name in list(mesh.processes):
            mesh.kill(name)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Rendered]]:
    """Engine to node to what the templates become there, with nothing but addresses and an engine given."""
    hosts = {f"node{number}": {"cluster_network_address": f"10.77.0.1{number}"} for number in (1, 2, 3)}
    return {
        engine: render(
            tmp_path_factory.mktemp(engine),
            {"keydb_engine": engine, "cluster_network_cidr": "10.77.0.0/24"},
            {host: dict(variables) for host, variables in hosts.items()},
        )
        for engine in ("keydb", "valkey")
    }
