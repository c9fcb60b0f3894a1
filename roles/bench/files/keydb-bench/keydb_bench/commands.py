"""What the controller and the timer ask of this host: a command and its arguments as JSON, the answer as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keydb_bench.ending import close, end, note
from keydb_bench.host import CommandError, Host
from keydb_bench.linking import busy, inner_sink, link, sink
from keydb_bench.loading import window
from keydb_bench.replicating import inner_replicate, replicate
from keydb_bench.serving import serve, unserve, used, why_not_fifo
from keydb_bench.tools import inner_tools, tools

COMMANDS: dict[str, Callable[[Host, Mapping[str, Any]], dict[str, Any]]] = {
    "facts": lambda host, _: host.facts() | {"not_fifo": why_not_fifo(host)},
    "busy": busy,
    "sink": sink,
    "inner_sink": inner_sink,
    "link": link,
    "note": note,
    "close": close,
    "serve": serve,
    "unserve": unserve,
    "used": used,
    "window": window,
    "tools": tools,
    "inner_tools": inner_tools,
    "replicate": replicate,
    "inner_replicate": inner_replicate,
    "end": end,
}


def main(words: Sequence[str]) -> int:
    """Run one command, and print its answer. What went wrong is an answer, too: ``problem``, in words."""
    given = json.loads(words[1]) if words[1:] else {}
    try:
        answer = COMMANDS[words[0]](Host.here(), given)
    except CommandError as error:
        answer = {"problem": str(error)}
    print(json.dumps(answer), flush=True)
    return 1 if answer.get("problems") else 0
