"""The plot of a run's losses: the curve, what was measured and what happened, and the cursor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cockpit.core import format as fmt
from cockpit.core.run_state import RunState
from cockpit.ui.axes import Scale
from cockpit.ui.braille import Envelope, dot_row, draw
from cockpit.ui.plot_frame import Grid, framed, x_axis
from cockpit.ui.spans import Line, Role, line, width_of

VALIDATION_MARK = "◆"
BEST_MARK = "★"
CHECKPOINT_MARK = "┴"
TAKEOVER_MARK = "┊"


@dataclass(frozen=True, slots=True)
class Marks:
    """By update: validations with their loss, the best of them if there are several, checkpoints,
    and the places where a later attempt took over, with its number."""

    validations: tuple[tuple[int, float], ...] = ()
    best: tuple[int, float] | None = None
    checkpoints: tuple[int, ...] = ()
    takeovers: tuple[tuple[int, int], ...] = ()


def marks_of(state: RunState, start: int, end: int) -> Marks:
    """The marks from update ``start`` to ``end``."""
    found = [(v.update, v.loss) for v in state.validations if math.isfinite(v.loss)]
    best = min(found, key=lambda point: point[1]) if len(found) > 1 else None
    return Marks(
        tuple(point for point in found if start <= point[0] <= end),
        best if best is not None and start <= best[0] <= end else None,
        tuple(saved.update for saved in state.checkpoints if start <= saved.update <= end),
        tuple(
            (told.recovery.from_update, told.attempt)
            for told in state.recoveries
            if start <= told.recovery.from_update <= end
        ),
    )


def thinned(marks: Marks, column: Callable[[int], int]) -> Marks:
    """Of the marks in one ``column`` those that tell the rest: of a long run, hundreds share it."""
    low: dict[int, tuple[int, float]] = {}
    high: dict[int, tuple[int, float]] = {}
    for point in marks.validations:
        place = column(point[0])
        if place not in low or point[1] < low[place][1]:
            low[place] = point
        if place not in high or point[1] > high[place][1]:
            high[place] = point
    saved = {column(update): update for update in marks.checkpoints}
    ends = sorted({*low.values(), *high.values()})
    return replace(marks, validations=tuple(ends), checkpoints=tuple(saved.values()))


def plot_lines(
    envelope: Envelope, marks: Marks, axis: Scale, grid: Grid, cursor: int | None = None
) -> list[Line]:
    """The plot with its y labels, its x axis and the x labels: two lines more than the grid."""
    rows = range(grid.rows)
    grid.paint(draw(envelope.columns(), axis, grid.columns, grid.rows), "train")
    for update, attempt in marks.takeovers:
        column = envelope.column(update) // 2
        grid.fill_blank([(row, column) for row in rows], TAKEOVER_MARK, "warn")
        grid.put(0, column, str(attempt), "warn")
    if cursor is not None:
        column = envelope.column(cursor) // 2
        grid.fill_blank([(row, column) for row in rows], "│", "accent")
    for points, mark in ((marks.validations, VALIDATION_MARK), ((marks.best,), BEST_MARK)):
        for point in points:
            if point is not None:
                row = dot_row(point[1], axis, grid.rows) // 4
                grid.put(row, envelope.column(point[0]) // 2, mark, "valid")
    return [
        *framed(grid, axis),
        *x_axis(
            envelope.end, grid.columns, envelope.start, _axis_marks(envelope, marks, cursor)
        ),
    ]  # fmt: skip


def _axis_marks(
    envelope: Envelope, marks: Marks, cursor: int | None
) -> list[tuple[int, str, Role]]:
    found: list[tuple[int, str, Role]] = [
        (envelope.column(update) // 2, CHECKPOINT_MARK, "good") for update in marks.checkpoints
    ]
    if cursor is not None:
        found.append((envelope.column(cursor) // 2, "▲", "accent"))
    return found


def legend(state: RunState, marks: Marks, train: float | None, how: str, width: int) -> Line:
    """The newest values and what each mark means: what fits, the most important first.

    ``train`` is the newest value of the curve as it is drawn, ``how`` says how that is.
    """
    parts = [line(("⠤⠒ ", "train"), "train ", (fmt.loss(train), "strong"), (how, "label"))]
    if state.validations:
        newest = fmt.loss(state.validations[-1].loss)
        parts.append(_named(VALIDATION_MARK, "valid", "validation ", newest))
    if marks.best is not None:
        update, loss = marks.best
        parts.append(_named(BEST_MARK, "valid", "best ", f"{fmt.loss(loss)} at {update:,}"))
    if marks.takeovers:
        parts.append(_named(TAKEOVER_MARK, "warn", f"attempt {marks.takeovers[-1][1]}"))
    if marks.checkpoints:
        parts.append(_named(CHECKPOINT_MARK, "good", "checkpoint"))
    return _fitting(parts, width)


def _named(mark: str, role: Role, name: str, value: str = "") -> Line:
    return line((f"{mark} ", role), (name, "text" if value else "label"), (value, "strong"))


def _fitting(parts: Sequence[Line], width: int) -> Line:
    shown: Line = parts[0]
    for part in parts[1:]:
        longer = (*shown, ("   ", "text"), *part)
        if width_of(longer) <= width:
            shown = tuple(longer)
    return tuple(span for span in shown if span[0])
