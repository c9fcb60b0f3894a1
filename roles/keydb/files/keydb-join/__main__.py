"""What the unit runs before and after the server: python3 /usr/local/libexec/keydb-join prepare|complete FILE."""

from __future__ import annotations

import sys

from keydb_join.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
