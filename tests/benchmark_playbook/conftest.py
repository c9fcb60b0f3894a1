"""Makes what the role runs on hosts and on the controller importable, and the modules beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PROJECT = _HERE.parents[1]
_ROLE = _PROJECT / "roles" / "bench"
sys.path[:0] = [
    str(_HERE),
    str(_PROJECT / "tests" / "shared"),
    str(_PROJECT / "tests" / "app"),
    str(_ROLE / "files" / "keydb-bench"),
    str(_ROLE / "plugin_utils"),
    str(_PROJECT / "plugins" / "plugin_utils"),
    str(_PROJECT / "app"),
    str(_PROJECT / "app" / "src"),
]
