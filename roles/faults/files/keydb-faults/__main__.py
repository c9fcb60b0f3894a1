"""What a host runs: python3 /usr/local/libexec/keydb-faults COMMAND [JSON]."""

from __future__ import annotations

import sys

from keydb_faults.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
