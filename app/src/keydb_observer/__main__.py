"""``python -m keydb_observer`` is the command ``keydb-observer``."""

import sys

from keydb_observer.cli import main

if __name__ == "__main__":
    sys.exit(main())
