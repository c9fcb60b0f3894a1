"""The options of ``audit`` that ``load`` has not."""

from __future__ import annotations

from keydb_observer.options import Option, RefusedError, number, whole

_LARGEST_BATCH = 10_000
_MOST_LOOKS = 100
_LONGEST_PATTERN = 512


def _pattern(given: object) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= _LONGEST_PATTERN or not given.isprintable():
        raise RefusedError
    return given


AUDIT_OPTIONS: tuple[Option, ...] = (
    Option(
        "match",
        _pattern,
        f"a pattern of 1 to {_LONGEST_PATTERN} printable characters",
        "compare only keys that match this glob-style pattern (default '*')",
        "PATTERN",
        commands=("audit",),
    ),
    Option(
        "batch",
        whole(1, _LARGEST_BATCH),
        f"a whole number of keys from 1 to {_LARGEST_BATCH}",
        "how many keys to ask for at a time; fewer hold up the servers for shorter (default 500)",
        "KEYS",
        commands=("audit",),
    ),
    Option(
        "settle",
        number(0.05, 3600),
        "a number of seconds from 0.05 to 3600",
        "seconds between two looks at keys that differ (default 2)",
        "SECONDS",
        commands=("audit",),
    ),
    Option(
        "looks",
        whole(1, _MOST_LOOKS),
        f"a whole number from 1 to {_MOST_LOOKS}",
        "how often to look at a key that differs before it is given up as busy (default 3)",
        "NUMBER",
        commands=("audit",),
    ),
)
