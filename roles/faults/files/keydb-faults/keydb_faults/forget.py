"""Takes the storm's keys off this host's node. Run by the observer's Python, which has redis-py; settings on stdin.

The node's files are written anew then. KeyDB refuses, when it loads its append-only file, what it had from other nodes:
their deletes are not done again, and keys that were long gone would be there in the next run.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import redis

_PATTERN = "storm:*"
_BATCH = 500
_WRITING = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
_WRITE_WITHIN_S = 120.0
_LOOK_S = 0.1


def _settle(client: redis.Redis) -> None:
    """Wait until nothing is written to the disk by another process. Raises TimeoutError."""
    deadline = time.monotonic() + _WRITE_WITHIN_S
    while time.monotonic() < deadline:
        told = client.info("persistence")
        if not any(told.get(name) for name in _WRITING):
            return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"it has not written its data within {_WRITE_WITHIN_S:g} s")


def main() -> None:
    """Print how many keys are gone. Those that another node was faster to take away are not among them."""
    given = json.load(sys.stdin)
    client = redis.Redis(
        host=given["address"],
        port=given["port"],
        username="storm",
        password=Path(given["password_file"]).read_text("utf-8").strip(),
        ssl=True,
        ssl_ca_certs=f"{given['tls_dir']}/ca.crt",
        ssl_certfile=f"{given['tls_dir']}/client.crt",
        ssl_keyfile=f"{given['tls_dir']}/client.key",
        socket_timeout=10,
        protocol=2,
        # No introduction: it would be refused, and noted.
        driver_info=None,
    )
    replication = client.info("replication")
    if replication["role"] == "slave" and replication.get("slave_read_only"):
        # Its primary's deletes come to it.
        print(json.dumps({"gone": 0}))
        return
    cursor, gone = 0, 0
    while True:
        cursor, keys = client.scan(cursor, match=_PATTERN, count=_BATCH)
        gone += client.unlink(*keys) if keys else 0
        if cursor == 0:
            break
    has_log = client.info("persistence").get("aof_enabled")
    for write_anew in (client.bgrewriteaof, client.bgsave) if has_log else (client.bgsave,):
        # One after the other: of two that write, the second one has to wait, or is refused.
        _settle(client)
        write_anew()
    _settle(client)
    print(json.dumps({"gone": gone}))


if __name__ == "__main__":
    main()
