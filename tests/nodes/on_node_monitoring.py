"""Questions to the exporters and to Prometheus, and a server that stops. They run on a node, as root."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TLS = "/etc/keydb-observer/tls"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def _get(url: str, *handlers: urllib.request.BaseHandler) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    with opener.open(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def served(address: str, port: int, with_certificate: bool) -> str:
    """What an exporter serves over TLS, or why it does not."""
    context = ssl.create_default_context(cafile=f"{TLS}/ca.crt")
    if with_certificate:
        context.load_cert_chain(f"{TLS}/client.crt", f"{TLS}/client.key")
    try:
        return _get(f"https://{address}:{port}/metrics", urllib.request.HTTPSHandler(context=context))
    except (urllib.error.URLError, OSError) as error:
        return f"refused: {error}"


def ask(port: int, path: str) -> Any:
    """Data of Prometheus' own interface."""
    return json.loads(_get(f"http://127.0.0.1:{port}/api/v1/{path}"))["data"]


def query(port: int, expression: str) -> list[dict[str, Any]]:
    """Samples of an expression: labels and value."""
    result = ask(port, f"query?{urllib.parse.urlencode({'query': expression})}")["result"]
    return [{"labels": each["metric"], "value": float(each["value"][1])} for each in result]


def wait_for_values(port: int, expression: str, expected: dict[str, float], wait: float) -> dict[str, float]:
    """Values by node, as of when they are those expected, or after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while True:
        found = {each["labels"]["node"]: each["value"] for each in query(port, expression)}
        if found == expected or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def wait_for_targets(port: int, count: int, wait: float) -> list[list[str]]:
    """Job, node, health and last error of each target, as of when so many are up, or after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while True:
        targets = ask(port, "targets")["activeTargets"]
        found = [[t["labels"]["job"], t["labels"]["node"], t["health"], t["lastError"]] for t in targets]
        if sum(each[2] == "up" for each in found) >= count or time.monotonic() > deadline:
            return sorted(found)
        time.sleep(0.5)


def wait_for_alerts(port: int, expected: list[list[str]], wait: float) -> list[list[str]]:
    """Alert and node of all that fire, as of when those expected do, or after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while True:
        alerts = ask(port, "alerts")["alerts"]
        found = [[a["labels"]["alertname"], a["labels"]["node"]] for a in alerts if a["state"] == "firing"]
        if all(each in found for each in expected) or time.monotonic() > deadline:
            return sorted(found)
        time.sleep(0.5)


def stop_engine(back_after: int) -> None:
    """It comes back by itself after so many seconds, whoever is there to start it again."""
    back = ["systemd-run", "--quiet", "--collect", f"--on-active={back_after}", "systemctl", "start", "keydb-server"]
    run(*back)
    run("systemctl", "stop", "keydb-server.service")


def start_engine() -> None:
    run("systemctl", "start", "keydb-server.service")
