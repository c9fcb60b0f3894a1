"""Make the cases of this directory and the role's rules importable: neither is an installed package."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROLE = _HERE.parents[1] / "roles" / "preflight"
sys.path[:0] = [str(_HERE), str(_ROLE / "plugin_utils"), str(_ROLE / "library")]
