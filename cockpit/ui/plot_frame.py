"""What is around a plot: labels of both axes; and the grid of cells that it is drawn on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from cockpit.ui.axes import Scale, nice_step
from cockpit.ui.braille import dot_row
from cockpit.ui.spans import Line, Role, Span, line

LABEL_WIDTH = 8
BLANK: Span = (" ", "text")


class Grid:
    """Rows of cells, each a character and a role, painted one layer over the other."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self._cells = [[BLANK] * columns for _ in range(rows)]

    def put(self, row: int, column: int, text: str, role: Role) -> None:
        """``text`` from a cell on; what is outside of the grid is left out."""
        for offset, character in enumerate(text):
            if 0 <= row < self.rows and 0 <= column + offset < self.columns:
                self._cells[row][column + offset] = (character, role)

    def fill_blank(self, places: Iterable[tuple[int, int]], character: str, role: Role) -> None:
        """``character`` at those (row, column) where nothing is yet."""
        for row, column in places:
            if self._cells[row][column] == BLANK:
                self._cells[row][column] = (character, role)

    def paint(self, rows: Sequence[str], role: Role) -> None:
        """A drawing over everything, seen through where it has spaces."""
        for row, text in enumerate(rows):
            for column, character in enumerate(text):
                if character != " ":
                    self._cells[row][column] = (character, role)

    def row(self, row: int) -> list[Span]:
        return joined(self._cells[row])


def joined(cells: Iterable[Span]) -> list[Span]:
    """Neighbours of one role as one span."""
    return [("".join(text for text, _ in run), role) for role, run in groupby(cells, _role)]


def _role(span: Span) -> Role:
    return span[1]


def framed(grid: Grid, axis: Scale) -> list[Line]:
    """The grid with the y axis and its labels at its left."""
    labels = y_labels(axis, grid.rows)
    lines = []
    for row in range(grid.rows):
        label, tick = (f"{labels[row]:>{LABEL_WIDTH}} ", "┤") if row in labels else ("", "│")
        head: Span = (label or " " * (LABEL_WIDTH + 1), "label")
        lines.append(line(head, (tick, "rule"), *grid.row(row)))
    return lines


def y_labels(axis: Scale, rows: int) -> dict[int, str]:
    """Labels by row; where two ticks share a row, the lower one is left out."""
    labels: dict[int, str] = {}
    for tick in reversed(axis.ticks):
        labels.setdefault(dot_row(tick, axis, rows) // 4, axis.label(tick))
    return labels


def x_axis(
    end: int, columns: int, start: int = 0, marks: Iterable[tuple[int, str, Role]] = ()
) -> list[Line]:
    """The axis with its ticks, and under it their labels, with the unit at its start.

    ``marks`` are (column, character, role) and stand on the axis; a later one hides an earlier.
    """
    step = max(1, round(nice_step(end - start, max(2, columns // 10))))
    rule: list[Span] = [("─", "rule")] * columns
    labels = [" "] * (columns + 1)
    room = 0
    for tick in range(-(-start // step) * step, end + 1, step):
        # As the envelope places a point, so that a tick stands under it.
        cell = int((tick - start) / (end - start) * (columns * 2 - 1) + 0.5) // 2
        rule[cell] = ("┬", "rule")
        text = f"{tick:,}"
        first = max(0, min(cell + 1 - len(text) // 2, columns + 1 - len(text)))
        if first >= room:
            labels[first : first + len(text)] = text
            room = first + len(text) + 2
    for cell, character, role in marks:
        both = character == "┴" and rule[cell][0] == "┬"
        rule[cell] = ("┼" if both else character, role)
    return [
        line((" " * (LABEL_WIDTH + 1) + "└", "rule"), *joined(rule)),
        line((f"{'update':>{LABEL_WIDTH}} ", "label"), ("".join(labels), "label")),
    ]
