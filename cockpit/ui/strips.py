"""Strips: a curve as one line of blocks, on the columns of the plot above it."""

from __future__ import annotations

import math

from cockpit.ui.axes import axis_for
from cockpit.ui.bars import sparkline
from cockpit.ui.braille import Envelope
from cockpit.ui.plot_frame import LABEL_WIDTH
from cockpit.ui.spans import Line, line


def strip(name: str, newest: float | None, envelope: Envelope, columns: int) -> Line:
    """``name`` and the newest value where the plot has its labels, then the highest of each cell.

    A value holds until the next one. The scale starts at 0 and ends at a round number, so that
    it stays put.
    """
    tops = cell_tops(envelope, columns)
    highest = max((top for top in tops if top is not None), default=0.0)
    scale = axis_for(0.0, highest, 4).high if highest > 0 else None
    # Nothing is drawn before the first value and after the newest: not even a mark of unknown.
    known = [top for top in tops if top is not None]
    before = next((i for i, top in enumerate(tops) if top is not None), 0)
    room = LABEL_WIDTH - len(name)
    label = f"{name} {brief(newest, room):>{room}}"
    return line((label, "label"), ("│", "rule"), " " * before, (sparkline(known, scale), "train"))


def cell_tops(envelope: Envelope, columns: int) -> list[float | None]:
    """The highest value in each cell, held over gaps; None before the first and after the last."""
    tops: list[float | None] = [None] * columns
    found = envelope.columns()
    for column, _, high in found:
        cell = column // 2
        known = tops[cell]
        tops[cell] = high if known is None else max(known, high)
    last = found[-1][0] // 2 if found else 0
    for cell in range(1, last):
        if tops[cell] is None:
            tops[cell] = tops[cell - 1]
    return tops


def brief(value: float | None, width: int) -> str:
    """``2.1e-5``, ``0.48``, ``12.3`` or ``n/a``: as exact as ``width`` characters allow."""
    if value is None:
        return "n/a"
    texts = [_short(value, digits) for digits in (3, 2, 1)]
    return next((text for text in texts if len(text) <= width), texts[-1])


def _short(value: float, digits: int) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 0.01 <= abs(value) < 1000:
        return f"{value:.{digits}g}"
    mantissa, exponent = f"{value:.{max(0, digits - 2)}e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
