"""The loss curve: training as a braille line, validation as diamonds, both axes labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.axes import Axis, follow, nice_step, reach
from cockpit.ui.braille import Envelope, dot_row, draw
from cockpit.ui.spans import Line, Span, heading, line
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines

LABEL_WIDTH = 8
VALIDATION_MARK = "◆"


class Curve(Lines):
    """Keeps its axes and its envelope between draws, so that little changes on screen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self._axis: Axis | None = None
        self._envelope: Envelope | None = None

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        columns, rows = width - LABEL_WIDTH - 2, height - 3
        if self._view is None or columns < 10 or rows < 2:
            return ()
        head = heading(line(("Loss", "strong")), legend(self._view), width)
        return [head, *self._plot(self._view, columns, rows)]

    def _plot(self, view: RunView, columns: int, rows: int) -> Sequence[Line]:
        state = view.state
        furthest = max(state.update, *(v.update for v in state.validations), 1)
        end = reach(furthest, state.updates)
        if self._envelope is None or (self._envelope.end, self._envelope.dots) != (
            end,
            columns * 2,
        ):
            self._envelope = Envelope(end, columns * 2)
        self._envelope.follow(state.losses)
        marks = [(v.update, v.loss) for v in state.validations if math.isfinite(v.loss)]
        extent = _extent(self._envelope, marks)
        if extent is None:
            return _waiting(view, columns, rows)
        self._axis = follow(self._axis, *extent, about=max(3, rows // 3))
        return plot_lines(self._envelope, marks, self._axis, columns, rows)


def legend(view: RunView) -> Line:
    """``⠤⠒ train 1.234   ◆ validation 1.402``."""
    state = view.state
    last = state.last.loss if state.last else None
    spans = line(("⠤⠒ ", "train"), "train ", (fmt.loss(last), "strong"))
    if not state.validations:
        return spans
    newest = fmt.loss(state.validations[-1].loss)
    mark = line((f"   {VALIDATION_MARK} ", "valid"), "validation ", (newest, "strong"))
    return (*spans, *mark)


def _extent(envelope: Envelope, marks: list[tuple[int, float]]) -> tuple[float, float] | None:
    values = [loss for _, loss in marks] + list(envelope.extent() or ())
    return (min(values), max(values)) if values else None


def _waiting(view: RunView, columns: int, rows: int) -> list[Line]:
    text = "The curve starts with the first update." if view.state.active else "No update was made."
    pad = " " * max(0, (columns - len(text)) // 2 + LABEL_WIDTH)
    return [*[()] * (rows // 2), line((pad + text, "label"))]


def plot_lines(
    envelope: Envelope, marks: list[tuple[int, float]], axis: Axis, columns: int, rows: int
) -> list[Line]:
    """The plot with its y labels, its x axis and the x labels: ``rows + 2`` lines."""
    labels = y_labels(axis, rows)
    diamonds = _diamonds(envelope, marks, axis, rows)
    lines = []
    for row, text in enumerate(draw(envelope.columns(), axis, columns, rows)):
        label, tick = (f"{labels[row]:>{LABEL_WIDTH}} ", "┤") if row in labels else ("", "│")
        head: Span = (label or " " * (LABEL_WIDTH + 1), "label")
        lines.append(line(head, (tick, "rule"), *_with_marks(text, diamonds.get(row, set()))))
    return [*lines, *x_axis(envelope.end, columns)]


def y_labels(axis: Axis, rows: int) -> dict[int, str]:
    """Labels by row; where two ticks share a row, the lower one is left out."""
    labels: dict[int, str] = {}
    for tick in reversed(axis.ticks):
        labels.setdefault(dot_row(tick, axis, rows) // 4, axis.label(tick))
    return labels


def _diamonds(
    envelope: Envelope, marks: list[tuple[int, float]], axis: Axis, rows: int
) -> dict[int, set[int]]:
    cells: dict[int, set[int]] = {}
    for update, loss in marks:
        row = dot_row(loss, axis, rows) // 4
        cells.setdefault(row, set()).add(envelope.column(update) // 2)
    return cells


def _with_marks(text: str, cells: set[int]) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for cell in sorted(cells):
        spans += [(text[start:cell], "train"), (VALIDATION_MARK, "valid")]
        start = cell + 1
    return [*spans, (text[start:], "train")]


def x_axis(end: int, columns: int) -> list[Line]:
    """The axis with its ticks, and under it their labels, with the unit at its start."""
    step = max(1, round(nice_step(end, max(2, columns // 10))))
    rule = ["─"] * columns
    labels = [" "] * (columns + 1)
    room = 0
    for tick in range(0, end + 1, step):
        cell = min(columns - 1, round(tick / end * (columns - 1)))
        rule[cell] = "┬"
        text = f"{tick:,}"
        start = min(cell + 1 - len(text) // 2, columns + 1 - len(text))
        if start >= room:
            labels[start : start + len(text)] = text
            room = start + len(text) + 2
    return [
        line((" " * (LABEL_WIDTH + 1) + "└" + "".join(rule), "rule")),
        line((f"{'update':>{LABEL_WIDTH}} ", "rule"), ("".join(labels), "label")),
    ]
