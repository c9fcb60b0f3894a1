"""Make the cases of this directory and the role's rules importable: neither is an installed package."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PROJECT = _HERE.parents[1]
_ROLE = _PROJECT / "roles" / "preflight"
sys.path[:0] = [
    str(_HERE),
    str(_ROLE / "plugin_utils"),
    str(_ROLE / "library"),
    str(_PROJECT / "plugins" / "module_utils"),
]

import node_timestamps  # noqa: E402 - it follows the path

# Under this name the role's module imports it.
sys.modules["ansible.module_utils.node_timestamps"] = node_timestamps
