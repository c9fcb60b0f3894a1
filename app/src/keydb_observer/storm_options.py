"""The options of ``storm`` that ``load`` has not."""

from __future__ import annotations

import os
from pathlib import Path

from keydb_observer.options import Option, RefusedError, whole

_MOST_HOT_KEYS = 10_000
_LARGEST_SEED = 2**63 - 1


def _added_to(given: object) -> Path:
    """Judged before anything is done: what is not written down cannot be judged."""
    if not isinstance(given, str) or not given or "\0" in given:
        raise RefusedError("it is not a path")
    path = Path(given)
    try:
        if path.exists() and not path.is_file():
            raise RefusedError("it is not a file")
        if not path.parent.is_dir():
            raise RefusedError("there is no such directory")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise RefusedError("it cannot be written")
    except OSError as error:
        raise RefusedError(error.strerror) from None
    return path


STORM_OPTIONS: tuple[Option, ...] = (
    Option(
        "history",
        _added_to,
        "a file that can be added to",
        "add each operation and its outcome to this file, as a line of JSON; go on after what is there",
        "FILE",
        commands=("storm",),
    ),
    Option(
        "samples",
        _added_to,
        "a file that can be added to",
        "add to this file five times a second how the node is, as a line of JSON (default: nowhere)",
        "FILE",
        commands=("storm",),
    ),
    Option(
        "hot-keys",
        whole(1, _MOST_HOT_KEYS),
        f"a whole number from 1 to {_MOST_HOT_KEYS}",
        "how many counters this host has, and how many keys all hosts write (default 20)",
        "NUMBER",
        commands=("storm",),
    ),
    Option(
        "seed",
        whole(0, _LARGEST_SEED),
        f"a whole number from 0 to {_LARGEST_SEED}",
        "what all choices of operations and keys come from, together with --name (default 0)",
        "NUMBER",
        commands=("storm",),
    ),
)
