"""Bars and sparklines as text: filled shapes of fixed width, no colours and no widgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from cockpit.ui.spans import Line, Role, line

LEVELS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"
HOLD_SECONDS = 30


def bar(share: float | None, width: int, role: Role, limit: float | None = None) -> Line:
    """``share`` of ``width`` drawn heavy, the rest light: to half a cell, told without colour.

    A ``│`` stands where ``limit`` lies on the same scale. An unknown share is dots.
    """
    cells, filled = [UNKNOWN] * width, 0
    if share is not None:
        halves = round(min(1.0, max(0.0, share)) * width * 2)
        filled = (halves + 1) // 2
        cells = ["━"] * (halves // 2) + ["╸"] * (halves % 2) + ["─"] * (width - filled)
    pieces: list[tuple[str, Role]] = [(cell, role) for cell in cells[:filled]]
    pieces += [(cell, "rest") for cell in cells[filled:]]
    if limit is not None and width:
        pieces[min(width - 1, max(0, round(limit * width) - 1))] = ("│", "strong")
    return line(*(("".join(c for c, _ in run), r) for r, run in groupby(pieces, lambda p: p[1])))


def sparkline(values: Sequence[float | None], top: float | None = None) -> str:
    """One character a value, scaled to ``top`` or to the highest; unknown is a dot."""
    known = [value for value in values if value is not None]
    highest = top or max(known, default=0.0)
    return "".join(UNKNOWN if v is None else _level(v, highest) for v in values)


def _level(value: float, highest: float) -> str:
    if highest <= 0 or value <= 0:
        return LEVELS[0]
    return LEVELS[min(7, int(min(1.0, value / highest) * 7 + 0.999))]


def recent(
    samples: Iterable[tuple[float, float | None]], cells: int, seconds_per_cell: float
) -> list[float | None]:
    """The highest value in each of the last ``cells`` spans of time, oldest first.

    Spans start at multiples of ``seconds_per_cell``, so that the history shifts once a span and
    not with every sample. A value holds until the next sample, HOLD_SECONDS at most: the
    supervisor leaves out readings that tell nothing new. What is not known is None.
    """
    spans: dict[int, float | None] = {}
    newest: int | None = None
    before: tuple[int, float | None] = (0, None)
    for t, value in samples:
        span = int(t // seconds_per_cell)
        if (span - before[0]) * seconds_per_cell <= HOLD_SECONDS:
            spans.update((i, before[1]) for i in range(before[0] + 1, span))
        newest, before = span, (span, value)
        known = spans.get(span)
        spans[span] = value if known is None else known if value is None else max(known, value)
    if newest is None:
        return [None] * cells
    return [spans.get(newest - cells + 1 + i) for i in range(cells)]
