"""A headless Chromium that is told what to do over a pair of pipes, by the protocol of its own developers' tools.

https://chromedevtools.github.io/devtools-protocol/; a message ends with a null byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium")
_PATIENCE_S = 60.0


class Browser:
    """One page. ``events`` are all that the browser has told of it so far."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its result. Raises AssertionError where the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda each: each.get("id") == self._number)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, page: Path) -> None:
        """Shows a file, and waits until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        if not self.told("Page.loadEventFired"):
            self._until(lambda each: each.get("method") == "Page.loadEventFired")

    def look(self, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Width in CSS pixels; light or dark; screen or print."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def ask(self, expression: str) -> Any:
        """What an expression of JavaScript is there. Raises AssertionError where it fails."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, file: Path) -> None:
        """The whole page, as PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def told(self, method: str) -> list[dict[str, Any]]:
        """All that was told of this kind."""
        return [event["params"] for event in self.events if event["method"] == method]

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            message, end, rest = self._buffer.partition(b"\0")
            if end:
                self._buffer = rest
                found = json.loads(message)
                if "method" in found:
                    self.events.append(found)
                if wanted(found):
                    return dict(found)
                continue
            ready, _, _ = select.select([self._receive], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser says nothing"
            read = os.read(self._receive, 1 << 20)
            assert read, "the browser is gone"
            self._buffer += read


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Raises AssertionError where no Chromium is installed: then nothing was tested."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    assert program, f"none of {', '.join(PROGRAMS)} is installed; make packages does that"
    to_read, to_send = _pipe()
    to_receive, to_write = _pipe()
    arguments = ["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    # It reads commands from 3 and writes to 4.
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", program, *arguments],
        pass_fds=(to_read, to_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    try:
        yield Browser(to_send, to_receive)
    finally:
        os.close(to_send)
        os.close(to_receive)
        process.terminate()
        process.wait(timeout=_PATIENCE_S)


def _pipe() -> tuple[int, int]:
    """Of numbers beyond those that the browser's ends get."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
