"""What the controller runs: python3 roles/report/files/keydb-report SETTINGS, where those are JSON."""

from __future__ import annotations

import sys

from keydb_report.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
