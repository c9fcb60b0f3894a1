"""Takes the storm's keys off this host's node. Run by the observer's Python, which has redis-py; settings on stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import redis

_PATTERN = "storm:*"
_BATCH = 500


def main() -> None:
    """Print how many keys are gone. Others may be gone meanwhile, through the other nodes' own replies."""
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
    )
    cursor, gone = 0, 0
    while True:
        cursor, keys = client.scan(cursor, match=_PATTERN, count=_BATCH)
        gone += client.unlink(*keys) if keys else 0
        if cursor == 0:
            break
    print(json.dumps({"gone": gone}))


if __name__ == "__main__":
    main()
