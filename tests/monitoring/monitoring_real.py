"""Real exporters on loopback, started with the command lines, configuration and credentials of the role's units."""

from __future__ import annotations

import shlex
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitoring_alerts import Scrape
from monitoring_render import Rendered

PATIENCE_S = 30.0


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} seconds: {what}"
        time.sleep(0.05)


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Unit:
    """One unit of a node as a process, in a directory that stands for what its unit would see."""

    name: str
    node: str
    rendered: Rendered
    directory: Path
    tls: Path
    """Where this node's ``server.crt``, ``server.key`` and ``ca.crt`` are."""
    process: subprocess.Popen[bytes] | None = None
    credentials: Path = field(init=False)

    def __post_init__(self) -> None:
        self.credentials = self.directory / self.name
        self.credentials.mkdir(parents=True)

    @property
    def _lines(self) -> list[str]:
        return self.rendered.text(f"{self.name}.service").splitlines()

    def start(self) -> None:
        """As systemd would: the credentials are brought, and their directory is put into the command."""
        for line in self._lines:
            if line.startswith("LoadCredential="):
                name, _, source = line.removeprefix("LoadCredential=").partition(":")
                self._bring(Path(source), self.credentials / name)
        (command,) = [line.removeprefix("ExecStart=") for line in self._lines if line.startswith("ExecStart=")]
        for name in self.rendered.names():
            if f"/etc/keydb-monitoring/{name}" in self.rendered.files:
                self._bring(Path(name), self.directory / name)
        words = shlex.split(self._here(command))
        program = shutil.which(Path(words[0]).name)
        assert program, f"{words[0]} is not installed"
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen([program, *words[1:]], stdout=log, stderr=log)

    def _bring(self, source: Path, target: Path) -> None:
        if source.parent.name == "tls":
            # One certificate stands for the node's two.
            target.write_bytes((self.tls / source.name.replace("client", "server")).read_bytes())
        else:
            target.write_text(self._here(self.rendered.text(source.name)), "utf-8")

    def _here(self, text: str) -> str:
        text = text.replace("${CREDENTIALS_DIRECTORY}", str(self.credentials))
        text = text.replace("${STATE_DIRECTORY}", str(self.directory / "state"))
        text = text.replace(f"/run/credentials/{self.name}.service", str(self.credentials))
        return text.replace("/etc/keydb-monitoring", str(self.directory)).replace(
            "/run/keydb-node-facts", str(self.directory)
        )

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def log(self) -> str:
        return (self.directory / f"{self.name}.log").read_text("utf-8", errors="replace")


def fetch(url: str, tls: Path | None = None, *, with_certificate: bool = True) -> str:
    """What is served there; over TLS with this node's certificate. Raises OSError."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if tls:
        context = ssl.create_default_context(cafile=str(tls / "ca.crt"))
        if with_certificate:
            context.load_cert_chain(tls / "server.crt", tls / "server.key")
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=PATIENCE_S) as answer:
        text: str = answer.read().decode()
        return text


def scraped(url: str, job: str, node: str, tls: Path | None = None) -> Scrape:
    """What is served there now, as soon as anything is."""
    answers: list[str] = []

    def answer() -> bool:
        try:
            answers.append(fetch(url, tls))
        except (ConnectionError, urllib.error.URLError):
            return False
        return True

    eventually(answer, f"{url} answers")
    return Scrape(answers[0], job, node, time.time())
