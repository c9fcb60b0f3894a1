#!/usr/bin/python3
"""Run a program that cannot close its descriptor 0: ``keydb-guard PROGRAM ARGUMENT…``.

KeyDB 6.3 closes descriptor 0 the first time that it fails to follow a peer, once for each peer: its number of the file
that a copy goes to (``repl_transfer_fd`` in replication.cpp) is 0 until then, where it should be -1 for none. What gets
the number next, a connection or a file, is closed by the second failure, and an event loop that still knows it does not
register the next connection of that number: it is never heard of again, and until it times out no peer is followed.

The kernel is told to answer close(0) without doing it, for this process and all that it starts. PROGRAM takes the place
of this one. Where that is not to be had, PROGRAM runs all the same. Needs the distribution's package python3-seccomp.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_WORKED = 0


def guard() -> None:
    """From here on close(0) does nothing. Raises ImportError, OSError and RuntimeError."""
    import seccomp  # noqa: PLC0415 - a host may be without it

    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    rules.add_rule(seccomp.ERRNO(_WORKED), "close", seccomp.Arg(0, seccomp.EQ, 0))
    rules.load()


def main(command: Sequence[str]) -> int:
    """Exit code 2 for a wrong call, 1 where there is no such program; else it does not come back."""
    if not command:
        print("usage: keydb-guard PROGRAM ARGUMENT...", file=sys.stderr)
        return 2
    try:
        guard()
    except (ImportError, OSError, RuntimeError) as error:
        # The priority is the service manager's.
        print(f"<4>guard: descriptor 0 is not guarded: {error}", file=sys.stderr, flush=True)
    try:
        os.execv(command[0], [*command])  # noqa: S606 - whoever calls this says which program
    except OSError as error:
        print(f"<3>guard: {command[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
