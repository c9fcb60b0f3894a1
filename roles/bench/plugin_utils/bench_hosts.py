"""Orders to hosts and their answers, and what to do where one of them does not do what it should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hosts_told import LostError, Remote

_GRACE_S = 120.0


class MeasuringError(Exception):
    """One thing could not be measured, for the reason in the text. The run goes on."""


class Hosts:
    """``addresses`` are those on the cluster network, by name and in the inventory's order."""

    def __init__(self, remotes: Mapping[str, Remote], addresses: Mapping[str, str]) -> None:
        self._remotes = remotes
        self.addresses = addresses

    @property
    def names(self) -> list[str]:
        """All hosts."""
        return list(self.addresses)

    def ask(self, host: str, command: str, **given: Any) -> dict[str, Any]:
        """One order to one host. Raises MeasuringError."""
        return self.ask_all({host: given}, command)[host]

    def ask_all(self, given: Mapping[str, Mapping[str, Any]], command: str) -> dict[str, dict[str, Any]]:
        """The same command to several hosts at the same time. Raises MeasuringError."""
        # The host of the worker that leads is at work only while it is waited for, so it comes first of all to finish.
        for host in given:
            self._remotes[host].begin(command, given[host], _lasts_s(given[host]))
        answers, problems = {}, []
        for host in sorted(given, key=self.names.index):
            try:
                answers[host] = self._remotes[host].finish()
            except LostError as error:
                problems.append(f"{host}: {error}")
                continue
            if answers[host].get("problem"):
                problems.append(f"{host}: {answers[host]['problem']}")
        if problems:
            raise MeasuringError("; ".join(problems))
        return answers


def _lasts_s(given: Mapping[str, Any]) -> float:
    # A tool may be a good deal slower than it was when it was tried.
    works = len(given.get("works", ())) or 1
    return float(given.get("seconds", 0)) * 20 * works + float(given.get("warmup_s", 0)) + _GRACE_S
