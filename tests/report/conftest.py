"""Makes the report importable, and the modules beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "roles" / "report" / "files" / "keydb-report")]
