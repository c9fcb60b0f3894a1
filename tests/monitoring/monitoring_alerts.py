"""Which alerts fire when Prometheus scrapes certain texts, as ``promtool test rules`` sees it with the role's rules."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

INTERVAL_S = 15
# Moments of real time: promtool's clock begins at 0, so they are told as what they are from now.
_MOMENTS = ("_timestamp_seconds", "_mtime_seconds")

Labels = tuple[tuple[str, str], ...]
Series = dict[tuple[str, Labels], float]


@dataclass(frozen=True)
class Scrape:
    """A text that a target served at ``now`` (Unix time in s), and the labels that the configuration gives to it.

    A target that is not ``up`` serves none.
    """

    text: str
    job: str
    node: str = "node1"
    now: float = 0.0
    up: bool = True
    labels: dict[str, str] = field(default_factory=dict)

    def series(self, peers: dict[str, str], names: frozenset[str]) -> Series:
        """Each series to its value, with the label ``peer`` for an address of ``peers``; only of these names."""
        found: Series = {("up", self._labels({})): float(self.up)}
        for family in text_string_to_metric_families(self.text if self.up else ""):
            for sample in family.samples:
                if sample.name not in names:
                    continue
                labels = dict(sample.labels)
                address = labels.get("master_host") or labels.get("slave_ip")
                value = sample.value - self.now if sample.name.endswith(_MOMENTS) else sample.value
                peer = {"peer": peers[address]} if address in peers else {}
                found[sample.name, self._labels(labels | peer)] = value
        return found

    def _labels(self, own: dict[str, str]) -> Labels:
        return tuple(sorted({**own, **self.labels, "job": self.job, "node": self.node}.items()))


Moment = tuple[float, Iterable[Scrape]]
"""For how many seconds these texts are scraped, and which."""


def names_in(text: str) -> frozenset[str]:
    """Names of metrics that expressions may mean; more than that does no harm."""
    return frozenset(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", text))


def _notation(values: Sequence[float | None]) -> str:
    return " ".join("_" if value is None else f"{value:.9f}".rstrip("0").rstrip(".") for value in values)


def _inputs(moments: Sequence[Moment], peers: dict[str, str], names: frozenset[str]) -> list[dict[str, str]]:
    steps: list[Series] = []
    for seconds, scrapes in moments:
        merged: Series = {}
        for scrape in scrapes:
            merged |= scrape.series(peers, names)
        steps += [merged] * math.ceil(seconds / INTERVAL_S)
    known = sorted({series for step in steps for series in step})
    return [
        {
            "series": f"{name}{{{', '.join(f'{label}={json.dumps(text)}' for label, text in labels)}}}",
            "values": _notation([step.get((name, labels)) for step in steps]),
        }
        for name, labels in known
    ]


def assert_firing(
    rules: Path,
    moments: Sequence[Moment],
    expected: Iterable[tuple[str, str]],
    peers: dict[str, str] | None = None,
) -> None:
    """These alerts fire at the end, each as its name and its node, and no others."""
    end_s = sum(math.ceil(seconds / INTERVAL_S) for seconds, _ in moments) * INTERVAL_S - INTERVAL_S
    samples = [
        {"labels": f'{{alertname="{alert}", node="{node}"}}', "value": 1} for alert, node in sorted(set(expected))
    ]
    assert_expression(rules, moments, f"{end_s}s", FIRING, samples, peers)


FIRING = 'group by (alertname, node) (ALERTS{alertstate="firing"})'


def assert_expression(
    rules: Path,
    moments: Sequence[Moment],
    at: str,
    expression: str,
    samples: list[dict[str, Any]],
    peers: dict[str, str] | None = None,
) -> None:
    """The expression has exactly these samples then."""
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{INTERVAL_S}s",
        "tests": [
            {
                "interval": f"{INTERVAL_S}s",
                "input_series": _inputs(moments, peers or {}, names_in(rules.read_text("utf-8"))),
                "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": samples}],
            }
        ],
    }
    path = rules.with_name("test.yml")
    path.write_text(yaml.safe_dump(test, sort_keys=False), "utf-8")
    promtool("test", "rules", str(path))


def promtool(*arguments: str, given: str | None = None) -> str:
    """What it prints; a failure is told in its own words."""
    done = subprocess.run(
        ["promtool", *arguments], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout
