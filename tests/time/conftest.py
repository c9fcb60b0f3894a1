"""Makes what the role sends to nodes importable, as Ansible would have it there, and the filters of its answers."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
sys.path[:0] = [
    str(_HERE),
    str(_REPOSITORY / "roles" / "time_sync" / "library"),
    str(_REPOSITORY / "plugins" / "module_utils"),
    str(_REPOSITORY / "playbooks" / "filter_plugins"),
]

import host_reader  # noqa: E402 - it follows the path
import node_timestamps  # noqa: E402 - the same

# Under these names the roles' modules import them.
sys.modules["ansible.module_utils.host_reader"] = host_reader
sys.modules["ansible.module_utils.node_timestamps"] = node_timestamps
