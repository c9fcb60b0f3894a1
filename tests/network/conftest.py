"""Makes what the role sends to nodes importable, as Ansible would have it there, and the playbook's filters."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_ROLE = _REPOSITORY / "roles" / "cluster_network"
sys.path[:0] = [
    str(_REPOSITORY / "plugins" / "module_utils"),
    str(_ROLE / "module_utils"),
    str(_ROLE / "library"),
    str(_REPOSITORY / "playbooks" / "filter_plugins"),
]

_PARTS = ("change", "managers", "plan", "guards", "arming", "links")
# Under these names the role's modules import them; in this order, for they import each other.
for _name in ("host_reader", *(f"cluster_network_{part}" for part in _PARTS)):
    sys.modules[f"ansible.module_utils.{_name}"] = importlib.import_module(_name)
