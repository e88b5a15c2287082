"""Curves of bounded length that keep their shape: exact at the end, extremes before that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

# A curve is at most this long.
MOST_POINTS = 4000
# Its newest points are all there.
EXACT_POINTS = 1000
# What is older is told by the lowest and highest in each of at most this many pieces.
OLD_PIECES = 1000


def kept(
    points: Sequence[T], update_of: Callable[[T], int], value_of: Callable[[T], float]
) -> list[int]:
    """Which of ``points`` to keep, by index, when there are MOST_POINTS of them or more.

    The older ones are taken in pieces of equal width in updates, a power of two, so that doing
    it again and again as a curve grows changes nothing but the width. A value that is no number
    counts as the highest.
    """
    old = max(0, len(points) - EXACT_POINTS)
    if not old:
        return list(range(len(points)))
    width = _piece_updates(update_of(points[0]), update_of(points[old - 1]))
    pieces: dict[int, list[int]] = {}
    for index in range(old):
        pieces.setdefault(update_of(points[index]) // width, []).append(index)

    def height(index: int) -> float:
        value = value_of(points[index])
        return math.inf if math.isnan(value) else value

    chosen: set[int] = set()
    for members in pieces.values():
        chosen |= {min(members, key=height), max(members, key=height)}
    return [*sorted(chosen), *range(old, len(points))]


def _piece_updates(first: int, last: int) -> int:
    width = 1
    while last // width - first // width >= OLD_PIECES:
        width *= 2
    return width
