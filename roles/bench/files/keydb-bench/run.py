"""What a host runs: python3 /usr/local/libexec/keydb-bench/run.py COMMAND [JSON]."""

from __future__ import annotations

import sys

from keydb_bench.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
