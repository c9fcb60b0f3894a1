"""Fixture of the tests that look at hosts of four network managers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from network_lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab that molecule made."""
    return Lab(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab")
