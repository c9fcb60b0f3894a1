"""Makes what the role runs on hosts and on the controller importable, and the modules beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROLE = _HERE.parents[1] / "roles" / "faults"
sys.path[:0] = [
    str(_HERE),
    str(_HERE.parent / "shared"),
    str(_ROLE / "files" / "keydb-faults"),
    str(_ROLE / "plugin_utils"),
    str(_HERE.parents[1] / "plugins" / "plugin_utils"),
    str(_ROLE / "filter_plugins"),
]
