"""Says so when a write took too long to get here: a synchronous reaction, in a dozen lines.

Run it beside a server that sends notifications, and write to it::

    redis-server --notify-keyspace-events 'K$g' &
    python late_alarm.py 127.0.0.1:6379 shared_key 0.010
    keydb-observer write --interval 1
"""

from __future__ import annotations

import contextlib
import sys

from keydb_observer import Change, Observer

NS_PER_SECOND = 1_000_000_000


def main() -> None:
    """Watches one key of one node. Arguments: HOST:PORT, KEY, and the limit in seconds."""
    node, key, limit_s = sys.argv[1:]

    def alarm(change: Change) -> None:
        difference_ns = change.difference_ns
        if difference_ns is not None and difference_ns > float(limit_s) * NS_PER_SECOND:
            print(f"late: {change.key} took {difference_ns / NS_PER_SECOND:.6f} seconds", flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        Observer(alarm, mode="sync", node=node, key=key).run()


if __name__ == "__main__":
    main()
