"""The benchmark is no installed package: its tests find it in the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "app"
sys.path[:0] = [str(APP), str(APP / "src"), str(Path(__file__).parent)]
