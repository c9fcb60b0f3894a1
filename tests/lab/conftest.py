"""Makes what the role's modules import importable, as Ansible would have it there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "roles" / "lab_hosts" / "module_utils"))

# Under this name the role's module imports it.
sys.modules["ansible.module_utils.lab_apt_sources"] = importlib.import_module("lab_apt_sources")
