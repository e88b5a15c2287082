"""Runs side by side: their curves in one plot, each with its letter, and a table under it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.system.comparison import Comparison
from cockpit.ui.axes import Axis, axis_for, reach
from cockpit.ui.braille import Envelope, Point, dot_row, draw
from cockpit.ui.plot_frame import LABEL_WIDTH, Grid, framed, x_axis
from cockpit.ui.spans import Line, Role, heading, line, pad, shorten, shorten_path
from cockpit.ui.widgets.cursor_list import CursorList
from cockpit.ui.widgets.lines import Lines

LETTERS = "ABCDEF"
# Told apart by their letters first: six colours are not there in every terminal.
COLOURS: tuple[Role, ...] = ("train", "valid", "good", "bad", "strong", "label")
NAME_WIDTH = 18


class ComparedCurves(Lines):
    """Training or validation losses of all runs on one pair of axes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: Comparison | None = None
        self.validation = False

    def show(self, found: Comparison) -> None:
        self._found = found
        self.redraw()

    def turn(self) -> None:
        """Validation instead of training losses, and back."""
        self.validation = not self.validation
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        columns, rows = width - LABEL_WIDTH - 2, height - 3
        if self._found is None or columns < 10 or rows < 2:
            return ()
        kind = "Validation loss" if self.validation else "Training loss"
        head = heading(line((kind, "strong")), line(("l", "accent"), (" turns", "label")), width)
        curves = [r.validations if self.validation else r.curve for r in self._found.runs]
        finite = [[p for p in curve if math.isfinite(p[1])] for curve in curves]
        if not any(len(curve) > 1 for curve in finite):
            return (head, (), line(("  No such losses were measured.", "label")))
        return (head, *plot(finite, columns, rows))


def plot(curves: Sequence[Sequence[Point]], columns: int, rows: int) -> list[Line]:
    """``rows`` lines of curves with a letter at the end of each, and the x axis."""
    known = [curve for curve in curves if curve]
    end = reach(max(curve[-1][0] for curve in known), None)
    losses = [loss for curve in known for _, loss in curve]
    axis = axis_for(min(losses), max(losses), about=max(3, rows // 3))
    grid = Grid(columns, rows)
    drawn = [(index, curve) for index, curve in enumerate(curves) if curve]
    ends = [_draw_one(grid, curve, axis, end, index) for index, curve in reversed(drawn)]
    for (index, curve), column in zip(reversed(drawn), ends, strict=True):
        row = dot_row(curve[-1][1], axis, grid.rows) // 4
        grid.put(row, column, LETTERS[index], COLOURS[index])
    return [*framed(grid, axis), *x_axis(end, columns)]


def _draw_one(grid: Grid, curve: Sequence[Point], axis: Axis, end: int, index: int) -> int:
    """Returns the column for its letter, which no other curve may draw over."""
    envelope = Envelope(end, grid.columns * 2)
    envelope.follow(curve)
    grid.paint(draw(envelope.columns(), axis, grid.columns, grid.rows), COLOURS[index])
    # Curves that end at one place must not hide each other's letters.
    return max(0, min(grid.columns - 1, envelope.column(curve[-1][0]) // 2 + 1) - 2 * index)


class ComparedTable(CursorList):
    """A row for each plan field that differs and for each result; scrolls."""

    HEAD = 2

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: Comparison | None = None
        self._rows: list[tuple[str, ...]] = []

    @property
    def total(self) -> int:
        return len(self._rows)

    def show(self, found: Comparison) -> None:
        self._found, self._rows = found, found.rows()
        self.redraw()

    def head(self, width: int) -> Sequence[Line]:
        if self._found is None:
            return (line(("reading the runs…", "label")), ())
        title = heading(self.title("Side by side"), (), width)
        cell = self._cell(width - 2)
        names = [
            (pad(f"{LETTERS[i]} {shorten_path(fmt.plain(run.name), cell - 3)}", cell), COLOURS[i])
            for i, run in enumerate(self._found.runs)
        ]
        return [title, line((" " * (NAME_WIDTH + 2), "text"), *names)]

    def row(self, index: int, width: int) -> Line:
        name, *values = self._rows[index]
        cell = self._cell(width)
        shown = [pad(shorten(fmt.plain(value), cell - 1), cell) for value in values]
        return line((pad(name, NAME_WIDTH), "label"), *shown)

    def _cell(self, width: int) -> int:
        runs = len(self._found.runs) if self._found is not None else 1
        return max(6, (width - NAME_WIDTH) // runs)
