"""Makes what the role sends to hosts importable, as Ansible would have it there, and the modules beside this file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
_ROLE = _REPOSITORY / "roles" / "hardware"
sys.path[:0] = [
    str(_HERE),
    str(_ROLE / "library"),
    str(_ROLE / "module_utils"),
    str(_REPOSITORY / "plugins" / "module_utils"),
    str(_REPOSITORY / "playbooks" / "filter_plugins"),
]

# Under these names they import each other; what is imported comes before who imports it.
for _name in (
    "host_reader",
    "node_paths",
    "hardware_fact",
    "hardware_board",
    "hardware_storage",
    "hardware_power",
    "hardware_kernel",
    "hardware_cow",
    "hardware_host",
    "hardware_findings",
    "hardware_setting",
):
    sys.modules[f"ansible.module_utils.{_name}"] = importlib.import_module(_name)
