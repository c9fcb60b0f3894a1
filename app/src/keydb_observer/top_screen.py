"""The full screen of ``top``: lines and their colours, keys and the terminal's size, by curses.

It comes with Python: a library such as rich would bring three more onto every node, and reads no keys.
"""

from __future__ import annotations

import contextlib
import curses
import locale
import os
from collections.abc import Iterator, Mapping, Sequence

from keydb_observer.top_table import Kind, Line

_QUIT = frozenset(map(ord, "qQ"))
_COLOURS = {Kind.TROUBLE: curses.COLOR_RED, Kind.WARNING: curses.COLOR_YELLOW}


class UnknownTerminalError(OSError):
    """The terminal is not known, or has no places to write to."""


class Screen:
    """The terminal while ``top`` has it."""

    def __init__(self, window: curses.window, colours: Mapping[Kind, int]) -> None:
        self._window = window
        self._colours = colours

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in characters."""
        height, width = self._window.getmaxyx()
        return width, height

    def show(self, lines: Sequence[Line]) -> None:
        """Replaces what is shown. What has not changed is not sent again."""
        width, height = self.size
        self._window.erase()
        for row, line in enumerate(lines[:height]):
            # The last cell of the last row cannot be written: the cursor has nowhere to go from there.
            room = width - 1 if row == height - 1 else width
            encoding = self._window.encoding
            text = line.text[:room].encode(encoding, "replace").decode(encoding)
            with contextlib.suppress(curses.error):  # the terminal has become smaller meanwhile
                self._window.addstr(row, 0, text, self._attributes(line.kind))
        self._window.refresh()

    def resized(self) -> None:
        """Takes the terminal's new size. Everything is sent again."""
        size = os.get_terminal_size()
        curses.resizeterm(max(size.lines, 1), max(size.columns, 1))
        self._window.clear()

    def wants_to_quit(self) -> bool:
        """Whether one of the keys that were pressed says so. Does not wait for any."""
        keys = iter(self._window.getch, curses.ERR)
        return any(key in _QUIT for key in keys)

    def _attributes(self, kind: Kind) -> int:
        emphasis = curses.A_BOLD if kind in (Kind.TITLE, Kind.TROUBLE) else 0
        return (curses.A_REVERSE if kind is Kind.HEADING else emphasis) | self._colours.get(kind, 0)


@contextlib.contextmanager
def opened_screen(environment: Mapping[str, str]) -> Iterator[Screen]:
    """Takes the terminal, and gives it back as it was, whatever happens. Raises UnknownTerminalError."""
    # Without this curses takes every character for one byte.
    locale.setlocale(locale.LC_ALL, "")
    try:
        curses.setupterm()
        can_move = curses.tigetstr("cup") is not None
    except curses.error:
        can_move = False
    if not can_move:
        raise UnknownTerminalError(f"a screen cannot be had on TERM={environment.get('TERM', '')}; see --once")
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.nodelay(True)
        window.keypad(True)
        with contextlib.suppress(curses.error):  # not every terminal can
            curses.curs_set(0)
        yield Screen(window, _colours(environment))
    finally:
        window.keypad(False)
        curses.nocbreak()
        curses.echo()
        curses.endwin()


def _colours(environment: Mapping[str, str]) -> dict[Kind, int]:
    if environment.get("NO_COLOR") or not curses.has_colors():
        return {}
    curses.start_color()
    # The terminal's own background, where it can be had.
    curses.use_default_colors()
    for number, colour in enumerate(_COLOURS.values(), start=1):
        curses.init_pair(number, colour, -1)
    return {kind: curses.color_pair(number) for number, kind in enumerate(_COLOURS, start=1)}
