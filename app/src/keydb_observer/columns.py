"""Tables for a terminal of any width: what matters least gives way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GAP = "  "
_NAME_WIDTH = 12
"""Characters of a name that are worth more than a column that may go."""


@dataclass(frozen=True)
class Column:
    """``yields`` tells who goes first when there is no room: the largest; 0 never goes.

    A name is shortened in its middle before a column that matters goes; a figure ends where its heading ends.
    """

    heading: str
    yields: int
    is_name: bool = False
    is_figure: bool = False


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The headings and the rows, none wider than ``width``. In a row that is shorter, the last cell runs on."""
    kept = list(range(len(columns)))
    widths = [
        max([len(column.heading), *(len(row[index]) for row in rows if len(row) == len(columns))])
        for index, column in enumerate(columns)
    ]
    # The first cell of a row that runs on stands in its column.
    widths[0] = max([widths[0], *(len(row[0]) for row in rows)])
    _narrow(columns, kept, widths, width, _NAME_WIDTH)
    while _total(widths, kept) > width:
        yielding = [index for index in kept if columns[index].yields]
        if not yielding:
            break
        kept.remove(max(yielding, key=lambda index: columns[index].yields))
    _narrow(columns, kept, widths, width, 0)
    yield _line(columns, kept, widths, [column.heading for column in columns], width)
    for row in rows:
        if len(row) == len(columns):
            yield _line(columns, kept, widths, row, width)
        else:
            first = shortened(row[0], widths[0]).ljust(widths[0])
            yield clipped(_GAP.join([first, *row[1:]]).rstrip(), width)


def _narrow(columns: Sequence[Column], kept: Sequence[int], widths: list[int], width: int, least: int) -> None:
    """Takes from the names what is too much, but leaves them ``least`` and as much as their headings."""
    names = {index: max(len(columns[index].heading), least) for index in kept if columns[index].is_name}
    for _ in range(_total(widths, kept) - width):
        wide = [index for index, narrowest in names.items() if widths[index] > narrowest]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + len(_GAP) * (len(kept) - 1)


def _line(columns: Sequence[Column], kept: Sequence[int], widths: Sequence[int], row: Sequence[str], width: int) -> str:
    cells = []
    for index in kept:
        text = shortened(row[index], widths[index]) if columns[index].is_name else row[index]
        cells.append(text.rjust(widths[index]) if columns[index].is_figure else text.ljust(widths[index]))
    return clipped(_GAP.join(cells).rstrip(), width)


def shortened(name: str, width: int) -> str:
    """Without its middle: names of hosts differ at their ends."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"


def clipped(text: str, width: int) -> str:
    """Without its end."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"[:width]
