"""``top`` on a real terminal, which tmux is, and without one; before real servers, of which one is killed meanwhile."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from app_harness import SOURCES, Server, StartServer, eventually, free_port, run_program, written

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@dataclass
class Terminal:
    """A terminal with a shell in it, on a tmux server of its own."""

    socket: Path

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def open(self, width: int, height: int) -> None:
        size = ["-x", str(width), "-y", str(height)]
        self.tmux("new-session", "-d", *size, "-c", str(self.socket.parent), "env", "PS1=ready> ", "sh")

    def type(self, text: str) -> None:
        self.is_ready()
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    @property
    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def is_ready(self) -> str:
        """What is on the screen once the shell waits for the next command. What was typed earlier it may throw away."""
        eventually(
            lambda: self.screen.rstrip().splitlines()[-1:] == ["ready>"],
            f"a prompt on the screen, which shows\n{self.screen}",
        )
        return self.screen

    def shows(self, text: str) -> str:
        eventually(lambda: text in self.screen, f"{text!r} on the screen, which shows\n{self.screen}")
        return self.screen


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "tmux")
    yield opened
    subprocess.run(["tmux", "-S", str(opened.socket), "kill-server"], capture_output=True, check=False)


@pytest.fixture
def servers(start_server: StartServer) -> tuple[Server, Server]:
    first, second = start_server(), start_server()
    first.admin().set("shared_key", written(7, writer="here"))
    return first, second


def command(servers: tuple[Server, Server], *arguments: str, environment: str = "") -> str:
    nodes = [f"--node=here={servers[0].address}", f"--node=there={servers[1].address}"]
    program = shlex.join([sys.executable, "-m", "keydb_observer", "top", *nodes, "--timeout=1", *arguments])
    return f"PYTHONPATH={shlex.quote(str(SOURCES))} {environment} {program}"


@needs_tmux
def test_a_terminal_of_any_size_while_a_node_goes(servers: tuple[Server, Server], terminal: Terminal) -> None:
    terminal.open(80, 24)
    terminal.type("stty -a >before")
    terminal.type(command(servers, "--interval=0.2"))
    screen = terminal.shows("0/1")
    assert "keydb-observer top  0 of 2 nodes well" in screen, "they are no replicas of each other"
    assert "ready>" not in screen, "it has a screen of its own"
    # Nobody but the looks themselves asks anything, and those do not count.
    eventually(lambda: " 0.0  " in terminal.screen, "no operations per second")
    assert "seq" not in screen
    for width in (60, 200, 80):
        terminal.tmux("resize-window", "-x", str(width), "-y", "24")
        screen = terminal.shows("every 0.2 s")
        assert max(map(len, screen.splitlines())) <= width
        eventually(lambda: ("SUPERSEDED" in terminal.screen) == (width == 200), f"what fits into {width} columns")  # noqa: B023 - it is called before the next turn

    servers[1].send(signal.SIGSTOP)
    try:
        terminal.shows("there  no answer since ")
        eventually(lambda: "it does not answer" in terminal.screen, "why it is silent")
        clock = [line for line in terminal.screen.splitlines() if "nodes well" in line]
        eventually(
            lambda: clock != [line for line in terminal.screen.splitlines() if "nodes well" in line],
            "the screen goes on meanwhile",
        )
        assert "here " in terminal.screen
        assert "0/1" in terminal.screen, "nor are the others held up"
    finally:
        servers[1].send(signal.SIGCONT)
    eventually(lambda: "no answer" not in terminal.screen, "it is back")
    servers[1].kill()
    terminal.shows("it refuses connections")

    terminal.tmux("send-keys", "q")
    assert "nodes well" not in terminal.is_ready(), "the screen is as it was"
    terminal.type("echo code $?; stty -a | cmp - before && echo as before")
    screen = terminal.shows("\nas before")
    assert "code 0" in screen
    assert "NDELAY" not in screen, "the shell finds its input blocking"


@needs_tmux
def test_an_interrupt_leaves_the_terminal_as_it_was(servers: tuple[Server, Server], terminal: Terminal) -> None:
    terminal.open(80, 24)
    terminal.type("stty -a >before")
    terminal.type(command(servers))
    terminal.shows("nodes well")
    terminal.tmux("send-keys", "C-c")
    assert "nodes well" not in terminal.is_ready()
    terminal.type("stty -a | cmp - before && echo as before")
    assert "NDELAY" not in terminal.shows("\nas before")


@needs_tmux
@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colours_are_left_out_where_they_are_not_wanted(
    servers: tuple[Server, Server], terminal: Terminal, no_color: str, is_coloured: bool
) -> None:
    terminal.open(80, 24)
    servers[1].kill()
    # Whoever runs the tests may want none themselves.
    terminal.type(command(servers, environment=f"TERM=screen NO_COLOR={no_color}"))
    terminal.shows("it refuses connections")
    # Text and colours of one and the same picture; between two of them there may be half of one.
    pictures = (terminal.tmux("capture-pane", "-p", "-e") for _ in range(100))
    picture = next(picture for picture in pictures if "it refuses connections" in picture)
    assert ("\x1b[31m" in picture) == is_coloured, picture


@needs_tmux
@pytest.mark.parametrize("name", ["no-such-terminal", "dumb"])
def test_a_terminal_without_a_screen(servers: tuple[Server, Server], terminal: Terminal, name: str) -> None:
    terminal.open(120, 24)
    terminal.type(command(servers, environment=f"TERM={name}"))
    terminal.shows(f"keydb-observer: a screen cannot be had on TERM={name}; see --once")
    terminal.type("echo code $?")
    terminal.shows("code 2")


def test_one_plain_frame_without_a_terminal(servers: tuple[Server, Server]) -> None:
    nodes = ["--node", f"here={servers[0].address}", "--node", f"there=127.0.0.1:{free_port()}"]
    result = run_program("top", *nodes, "--interval", "0.2", environment={"COLUMNS": "100"})
    assert result.returncode == 1, "a node is away"
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    title, heading, here, there, _, observers, writer, _ = result.stdout.splitlines()
    assert title.startswith("keydb-observer top  0 of 2 nodes well  ")
    assert (heading.split()[0], observers.split()[0]) == ("NODE", "OBSERVER")
    assert here.split()[:2] == ["here", "primary" if "primary" in here else "master"]
    assert there.startswith("there  no answer since ")
    assert there.endswith("it refuses connections: nothing listens there")
    assert writer.split()[:2] == ["writer", "here"]

    well = run_program("top", "--once", "--node", f"here={servers[0].address}", "--interval", "0.2")
    assert well.returncode == 0, well.stdout
