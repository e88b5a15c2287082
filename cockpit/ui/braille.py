"""A curve in braille: two columns and four rows of dots to a cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cockpit.ui.axes import Scale

# Bits of a braille pattern, by column and by row from the top.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800

Point = tuple[int, float]
_Rise = Callable[[int, int, int], None]


class Envelope:
    """The lowest and highest loss in each column of dots, kept up as points arrive.

    At most two values a column, whatever the number of points, and each point is looked at
    once: a run of a million updates costs no more to redraw than a short one.
    """

    def __init__(self, end: int, dots: int, start: int = 0):
        self.start = start
        self.end = end
        self.dots = dots
        self._scale = (dots - 1) / max(1, end - start)
        self._taken = 0
        self._last: Point | None = None
        self._columns: dict[int, tuple[float, float]] = {}

    def follow(self, points: Sequence[Point]) -> None:
        """Takes the points that are new; starts over if the past was rewritten (a resume)."""
        if self._taken > len(points) or (self._taken and points[self._taken - 1] != self._last):
            self._taken = 0
            self._columns.clear()
        # The loop is what a zoom into a long run waits for: no call of ``column`` in it.
        start, end, columns = self.start, self.end, self._columns
        scale = self._scale
        for x, y in points[self._taken :]:
            if start <= x <= end and math.isfinite(y):
                column = int((x - start) * scale + 0.5)
                low, high = columns.get(column, (y, y))
                if y <= low or y >= high:
                    columns[column] = (min(low, y), max(high, y))
        self._taken = len(points)
        self._last = points[-1] if points else None

    def column(self, x: float) -> int:
        """The column of dots in which update ``x`` falls."""
        return max(0, min(self.dots - 1, int((x - self.start) * self._scale + 0.5)))

    def columns(self) -> list[tuple[int, float, float]]:
        """(column, lowest, highest), left to right."""
        return [(column, *span) for column, span in sorted(self._columns.items())]

    def extent(self) -> tuple[float, float] | None:
        """The lowest and highest of all, or None before the first point."""
        if not self._columns:
            return None
        spans = self._columns.values()
        return min(low for low, _ in spans), max(high for _, high in spans)

    def positive_extent(self) -> tuple[float, float] | None:
        """The lowest and highest above zero, as far as the columns tell; None without any."""
        ends = [end for span in self._columns.values() for end in span if end > 0]
        return (min(ends), max(ends)) if ends else None


def draw(
    columns: Sequence[tuple[int, float, float]],
    axis: Scale,
    width: int,
    rows: int,
    widest_gap: int | None = None,
) -> list[str]:
    """The envelope as ``rows`` lines of ``width`` braille cells; blank cells are spaces.

    Neighbours are joined; with ``widest_gap``, only those at most so many columns apart.
    """
    cells = [[0] * width for _ in range(rows)]

    def rise(x: int, top: int, bottom: int) -> None:
        for y in range(top, bottom + 1):
            cells[y // 4][x // 2] |= _BITS[x % 2][y % 4]

    previous: tuple[int, int, int] | None = None
    for x, low, high in columns:
        top, bottom = dot_row(high, axis, rows), dot_row(low, axis, rows)
        rise(x, top, bottom)
        if previous is not None and (widest_gap is None or x - previous[0] <= widest_gap):
            _connect(previous, (x, top, bottom), rise)
        previous = (x, top, bottom)
    return ["".join(chr(_BLANK + bits) if bits else " " for bits in row) for row in cells]


def dot_row(value: float, axis: Scale, rows: int) -> int:
    """The row of dots, from the top, in which ``value`` falls: four to each of ``rows``."""
    return round((1 - min(1.0, max(0.0, axis.share(value)))) * (rows * 4 - 1))


def _connect(left: tuple[int, int, int], right: tuple[int, int, int], rise: _Rise) -> None:
    """Joins two columns: a straight line over a gap, a step where they do not overlap."""
    (x0, top0, bottom0), (x1, top1, bottom1) = left, right
    if bottom0 < top1:
        start, end = bottom0, top1
    elif top0 > bottom1:
        start, end = top0, bottom1
    else:
        start = end = max(top0, top1)
    steps = x1 - x0
    before = start
    for step in range(1, steps + 1):
        here = round(start + (end - start) * step / steps)
        rise(x0 + step, min(before, here), max(before, here))
        before = here
