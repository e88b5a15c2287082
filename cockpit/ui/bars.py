"""Bars and sparklines as text: filled shapes of fixed width, no colours and no widgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from cockpit.ui.spans import Line, Role, line

EIGHTHS = "▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"


def bar(share: float | None, width: int, role: Role, limit: float | None = None) -> Line:
    """``share`` of ``width`` filled, with a ``│`` where ``limit`` lies on the same scale."""
    if share is None:
        cells = [UNKNOWN] * width
        filled = 0
    else:
        eighths = round(min(1.0, max(0.0, share)) * width * 8)
        filled, part = divmod(eighths, 8)
        cells = ["█"] * filled + ([EIGHTHS[part - 1]] if part else [])
        filled = len(cells)
        cells += ["─"] * (width - filled)
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
    not with every sample. A span without a sample is None.
    """
    spans: dict[int, float | None] = {}
    newest: int | None = None
    for t, value in samples:
        span = int(t // seconds_per_cell)
        newest = span
        known = spans.get(span)
        spans[span] = value if known is None else known if value is None else max(known, value)
    if newest is None:
        return [None] * cells
    return [spans.get(newest - cells + 1 + i) for i in range(cells)]
