"""Makes importable what is tested, the real servers of the roles' tests, and the modules beside this file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
sys.path[:0] = [
    str(_HERE),
    str(_HERE.parent / "roles"),
    str(_HERE.parent / "app"),
    str(_REPOSITORY / "roles" / "monitoring" / "files" / "keydb-node-facts"),
    str(_REPOSITORY / "roles" / "keydb" / "library"),
    str(_REPOSITORY / "roles" / "keydb" / "module_utils"),
    str(_REPOSITORY / "roles" / "hardware" / "module_utils"),
    str(_REPOSITORY / "plugins" / "module_utils"),
    str(_REPOSITORY / "app" / "src"),
]

# Under these names the role hardware's modules import each other.
for _name in ("host_reader", "hardware_fact"):
    sys.modules[f"ansible.module_utils.{_name}"] = importlib.import_module(_name)

from monitoring_render import Rendered, render  # noqa: E402 - it follows the path


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """Node to what it gets with nothing but addresses and a monitoring host given; that is node3."""
    hosts = {f"node{number}": f"10.77.0.1{number}" for number in (1, 2, 3)}
    return render(tmp_path_factory.mktemp("monitoring"), hosts)


@pytest.fixture(scope="session")
def rules(rendered: dict[str, Rendered], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules, as a file."""
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(rendered["node3"].text("rules.yml"), "utf-8")
    return path
