"""Choices that follow from a seed alone, on every Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

_Thing = TypeVar("_Thing")


class Dice:
    """Of Python's generator only ``random()`` is used: of all its methods it alone is promised never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it is to be repeatable

    def pick(self, things: Sequence[_Thing]) -> _Thing:
        """One of them."""
        return things[int(self._random.random() * len(things))]

    def shuffled(self, things: Sequence[_Thing]) -> list[_Thing]:
        """All of them in another order."""
        left, taken = list(things), []
        while left:
            taken.append(left.pop(int(self._random.random() * len(left))))
        return taken
