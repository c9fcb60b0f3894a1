"""What a rule reports, and how all reports become one readable message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

ALL_HOSTS = "all"
HIDDEN = "(not shown: secret)"
_LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Problem:
    """One wrong thing: which variable, on which host, what was given, what is allowed, and what is wrong with it."""

    variable: str
    host: str
    given: str
    allowed: str
    problem: str


def shown(value: object) -> str:
    """Return a value as one short line. Strings are quoted, so that "6379" and 6379 can be told apart."""
    if isinstance(value, (list, tuple, set, frozenset)):
        value = list(value)
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def one_of(values: Iterable[object]) -> str:
    """Return "a, b or c"."""
    names = [str(value) for value in values]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def merged_hosts(problems: Iterable[Problem], all_hosts: Sequence[str]) -> list[Problem]:
    """Merge problems that differ by host only, keeping order; a problem of every host is one of host "all"."""
    hosts_of: dict[Problem, list[str]] = {}
    for problem in problems:
        hosts = hosts_of.setdefault(replace(problem, host=""), [])
        if problem.host not in hosts:
            hosts.append(problem.host)
    merged = []
    for problem, hosts in hosts_of.items():
        everywhere = ALL_HOSTS in hosts or (len(hosts) > 1 and set(hosts) >= set(all_hosts))
        merged.append(replace(problem, host=ALL_HOSTS if everywhere else ", ".join(hosts)))
    return merged


def rendered(problems: Sequence[Problem], where: str) -> str:
    """Return the message for people: a count, then one aligned block per problem."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    blocks = [f"{count} {where}. No host has been changed."]
    blocks += [
        f"  {problem.variable}: {problem.problem}\n"
        f"    host     {problem.host}\n"
        f"    given    {problem.given}\n"
        f"    allowed  {problem.allowed}"
        for problem in problems
    ]
    return "\n\n".join(blocks)


def as_result(problems: Sequence[Problem], where: str) -> Mapping[str, Any]:
    """Return what an action plugin adds to its result.

    It is no failure. What fails does so with ``report`` alone, so that people read each problem in words and not as
    data too.
    """
    return {
        "changed": False,
        "problems": [asdict(problem) for problem in problems],
        "report": rendered(problems, where) if problems else f"No problem {where}.",
    }
