"""Under which conditions a run was made: what makes its figures those of something else than the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Mark = dict[str, str]

THROTTLED, CLOCK, LINK, LOAD, SHARED, LISTENER = "throttled", "clock", "link", "load", "shared", "listener"
# What the hardware's findings are about, of those that change while nobody looks.
_THROTTLING = ("power", "speed", "temperature")
# What is sent through a link is less than it was negotiated at, and one stream does not fill it.
_SENT_SHARE = 0.7
# Of two listeners under the same load: a difference of kind is smaller.
_BEHIND = 4


def mark(host: str, condition: str, text: str) -> Mark:
    """As a result has it."""
    return {"host": host, "condition": condition, "text": text}


def hardware_marks(host: str, findings: list[Mapping[str, str]]) -> Iterator[Mark]:
    """A board that is slowed down, or was since its start."""
    for finding in findings:
        if finding["about"] in _THROTTLING:
            yield mark(host, THROTTLED, f"{finding['what']}. {finding['why']}")


def clock_marks(host: str, clock: Mapping[str, Any]) -> Iterator[Mark]:
    """A clock that follows nobody: times across hosts mean nothing then."""
    if clock.get("trouble"):
        yield mark(host, CLOCK, str(clock["trouble"]))


def port_marks(host: str, link: Mapping[str, Any]) -> Iterator[Mark]:
    """What the interface itself says is wrong."""
    for problem in link.get("problems", ()):
        yield mark(host, LINK, str(problem))


def sent_marks(host: str, peer: str, mbits: float, least_mbits: float) -> Iterator[Mark]:
    """A path that lets less through than its ports promise."""
    if mbits < least_mbits * _SENT_SHARE:
        least = f"{least_mbits * _SENT_SHARE:.0f}"
        yield mark(host, LINK, f"{mbits:.0f} Mbit/s to {peer} went through; {least} are expected")


def load_marks(host: str, share: float, most: float) -> Iterator[Mark]:
    """Others who use the processors."""
    if share > most:
        yield mark(host, LOAD, f"others use {share:.0%} of the processors; at most {most:.0%} is allowed")


def host_marks(host: str, facts: Mapping[str, Any], others: int) -> Iterator[Mark]:
    """Hosts that are not each on its own."""
    if facts.get("in_container") and others:
        yield mark(host, SHARED, "a container: hosts share processors and memory, so more nodes are less for each")


def listener_marks(host: str, knees: Mapping[str, float | None]) -> Iterator[Mark]:
    """One that falls behind far sooner than the other one, by name."""
    known = {name: knee for name, knee in knees.items() if knee is not None}
    for name, knee in known.items():
        best = max(known, key=lambda other: known[other])
        if known[best] >= _BEHIND * max(knee, 1):
            said = f"{knee:,.0f} events/s" if knee else "no rate at all"
            text = f"listener-{name} holds {said} where listener-{best} holds {known[best]:,.0f}"
            yield mark(host, LISTENER, text)
