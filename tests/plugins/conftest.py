"""Makes the repository's modules that need no engine importable, as Ansible would have them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(_REPOSITORY / "plugins" / "module_utils"),
    str(_REPOSITORY / "plugins" / "modules"),
    str(_REPOSITORY / "plugins" / "plugin_utils"),
    str(_REPOSITORY / "roles" / "pki" / "library"),
    str(_REPOSITORY / "roles" / "observers" / "library"),
]

sys.modules["ansible.module_utils.node_paths"] = importlib.import_module("node_paths")
