"""Filters of check_hosts.yml: what is known of each host and what was found, and the table that shows it."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

STOP = "stop"
UNKNOWN = "unknown"
_WIDTH = 120
_STORAGE = {
    "nvme": "NVMe",
    "sata": "SATA",
    "usb": "USB",
    "sd-card": "SD card",
    "emmc": "eMMC",
    "virtual": "virtual disk",
}


def _from_problem(problem: Mapping[str, str]) -> dict[str, str]:
    """One of preflight's problems as a finding. All of them stop site.yml."""
    return {
        "severity": STOP,
        "about": problem["variable"],
        "what": f"{problem['variable']} {problem['problem']} (given: {problem['given']})",
        "why": "site.yml refuses to start.",
        "remedy": f"Allowed: {problem['allowed']}.",
    }


def _cannot(what: str, why: str) -> dict[str, str]:
    remedy = "See that `ansible HOST -m ansible.builtin.setup` works, with sudo, and run this again."
    return {"severity": STOP, "about": "connection", "what": what, "why": why, "remedy": remedy}


def _findings(host: str, facts: Mapping[str, Any], sources: list[str]) -> Iterator[dict[str, str]]:
    """Yield what each source found on a host; of an inventory's problems, those that name it or all hosts."""
    for source in sources:
        result = facts.get(source) or {}
        if result.get("unreachable") or result.get("failed"):
            why = " ".join(str(result.get("msg", "no reason was given")).split())
            yield _cannot(
                "the host could not be reached" if result.get("unreachable") else "it could not be asked", why
            )
            # What follows would say the same.
            return
        yield from result.get("findings", [])
        for problem in result.get("problems", []):
            named = str(problem["host"]).split(", ")
            if host in named or named == ["all"]:
                yield _from_problem(problem)


def hosts_report(hosts: list[str], hostvars: Mapping[str, Mapping[str, Any]], sources: list[str]) -> dict[str, Any]:
    """The report of the hosts named: per host its facts and findings, and how many findings stop or slow."""
    reported = []
    for name in hosts:
        facts = hostvars[name]
        hardware = facts.get("__hardware") or {}
        reported.append(
            {
                "name": name,
                "profile": hardware.get("profile", UNKNOWN),
                "facts": hardware.get("facts", {}),
                "findings": sorted(_findings(name, facts, sources), key=lambda found: found["severity"] != STOP),
            }
        )
    severities = [finding["severity"] for host in reported for finding in host["findings"]]
    return {
        "time": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "hosts": reported,
        "stops": severities.count(STOP),
        "warnings": len(severities) - severities.count(STOP),
    }


class _Facts:
    """One host's facts by name, "-" for what is not known."""

    def __init__(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        self._facts = facts

    def get(self, name: str) -> Any:
        value = self._facts.get(name, {}).get("value", UNKNOWN)
        return None if value == UNKNOWN else value

    @property
    def board(self) -> str:
        name = self.get("model") or "-"
        return str(name).replace("Raspberry Pi", "Pi").replace(" Model B", "B")[:40]

    @property
    def memory(self) -> str:
        memory = self.get("memory_mb")
        return f"{memory / 1024:.1f} GB" if memory else "-"

    @property
    def storage(self) -> str:
        storage = self.get("data_storage") or {}
        kind = _STORAGE.get(storage.get("kind", ""))
        return f"{kind} ({storage['device']})" if kind else "-"

    @property
    def kernel(self) -> str:
        release, page = self.get("kernel_release"), self.get("page_size")
        architecture = self.get("user_architecture") or self.get("kernel_architecture")
        pages = f"{page // 1024} KiB" if page else None
        return ", ".join(str(part) for part in (release, architecture, pages) if part) or "-"

    @property
    def power(self) -> str:
        throttling, temperature = self.get("throttling"), self.get("temperature")
        said = [f"{temperature['celsius']:.0f} °C"] if temperature else []
        if throttling:
            said.append(throttling["raw"])
        return ", ".join(said) or "-"


def _verdict(findings: list[Mapping[str, str]]) -> str:
    stops = sum(finding["severity"] == STOP for finding in findings)
    warnings = len(findings) - stops
    parts = [f"{stops} to stop it"] if stops else []
    parts += [f"{warnings} to slow it"] if warnings else []
    return ", ".join(parts) or "good"


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"    {label:<8}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def hosts_table(report: Mapping[str, Any]) -> str:
    """The report as a table, then every finding with its remedy, and the verdict."""
    rows = [("HOST", "BOARD", "MEMORY", "DATA ON", "KERNEL, PAGES", "HEAT, THROTTLED", "VERDICT")]
    for host in report["hosts"]:
        facts = _Facts(host["facts"])
        verdict = _verdict(host["findings"])
        rows.append((host["name"], facts.board, facts.memory, facts.storage, facts.kernel, facts.power, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for host in report["hosts"]:
        for finding in host["findings"]:
            lines += ["", f"  {finding['severity'].upper()}  {host['name']}: {finding['what']}"]
            lines += [*_paragraph("why", finding["why"]), *_paragraph("remedy", finding["remedy"])]
    counts = f"{report['stops']} to stop the cluster, {report['warnings']} to slow it"
    nothing = "Nothing would stop or slow this inventory."
    return "\n".join([*lines, "", f"Findings: {counts}." if report["stops"] or report["warnings"] else nothing])


class FilterModule:
    """Ansible's way of finding the filters."""

    def filters(self) -> dict[str, Any]:
        """Names in playbooks to functions."""
        return {"hosts_report": hosts_report, "hosts_table": hosts_table}
