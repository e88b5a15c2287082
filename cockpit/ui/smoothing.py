"""An exponential average of a curve, kept up as its points arrive."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.ui.axes import nice_step

Point = tuple[int, float]
# The average reaches back over this part of what is shown.
PART_SHOWN = 50
LEAST_UPDATES = 5


def updates_for(shown: int) -> int:
    """Over how many updates to average when that many are shown: a round number."""
    return max(LEAST_UPDATES, round(nice_step(max(1, shown), PART_SHOWN)))


class Smoothed:
    """The points with each value replaced by the average of those up to it.

    A point ``updates`` before another counts 1/e of it. The first values are not drawn towards
    zero: the weights given so far are divided out. What is not a number is left out.
    """

    def __init__(self, updates: int):
        self.updates = updates
        self.points: list[Point] = []
        self._taken = 0
        self._last: Point | None = None
        self._sum = self._weight = 0.0

    def follow(self, points: Sequence[Point]) -> None:
        """Takes the points that are new; starts over if the past was rewritten (a resume)."""
        if self._taken > len(points) or (self._taken and points[self._taken - 1] != self._last):
            self._taken, self._sum, self._weight = 0, 0.0, 0.0
            self.points = []
        for update, value in points[self._taken :]:
            if math.isfinite(value):
                self._take(update, value)
        self._taken = len(points)
        self._last = points[-1] if points else None

    def _take(self, update: int, value: float) -> None:
        before = self.points[-1][0] if self.points else update - 1
        keep = math.exp(-max(1, update - before) / self.updates)
        self._sum = keep * self._sum + (1 - keep) * value
        self._weight = keep * self._weight + (1 - keep)
        self.points.append((update, self._sum / self._weight))
