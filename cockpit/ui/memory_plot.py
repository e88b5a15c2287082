"""Memory over time as lines of text: the footprint, against forecast, peak and budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cockpit.core import format as fmt
from cockpit.core.samples import MemorySample
from cockpit.ui.axes import Axis, axis_for
from cockpit.ui.bars import HOLD_SECONDS, sparkline
from cockpit.ui.braille import Envelope, dot_row, draw
from cockpit.ui.plot_frame import LABEL_WIDTH, Grid, framed, joined
from cockpit.ui.spans import Line, Role, Span, line
from cockpit.ui.time_window import TimeWindow

Sample = tuple[float, MemorySample]
# (name, bytes, character of its line, role), in the order of their importance.
Level = tuple[str, int, str, Role]
# Below this share of the budget, the budget is off the scale.
SMALL_SHARE = 0.1
# Times are drawn as whole numbers.
TICKS_PER_SECOND = 10


def levels_of(forecast: int | None, peak: int | None, budget: int | None) -> list[Level]:
    """The levels that are known."""
    known: list[tuple[str, int | None, str, Role]] = [
        ("budget", budget, "━", "strong"),
        ("peak", peak, "╌", "warn"),
        ("forecast", forecast, "┄", "label"),
    ]
    return [(name, size, mark, role) for name, size, mark, role in known if size]


def on_scale(levels: Sequence[Level], live: int | None) -> list[Level]:
    """Without the budget where all else would be a line at the bottom under it."""
    largest = max((size for name, size, *_ in levels if name != "budget"), default=0)
    largest = max(largest, live or 0)
    return [
        level for level in levels if level[0] != "budget" or largest >= SMALL_SHARE * level[1]
    ]  # fmt: skip


def axis_of(levels: Sequence[Level], live: int | None, rows: int) -> Axis:
    """From 0, in GB, over the highest of all."""
    top = max([live or 0, *(size for _, size, *_ in levels)])
    return axis_for(0.0, top * 1.05 / 1e9, about=max(2, rows // 3))


def plot_lines(
    samples: Sequence[Sample], levels: Sequence[Level], axis: Axis, grid: Grid, shown: TimeWindow
) -> list[Line]:
    """The footprint as a curve, each level as a line with its name at the right end."""
    envelope = Envelope(round((shown.end - shown.start) * TICKS_PER_SECOND), grid.columns * 2)
    envelope.follow(
        [
            (round((t - shown.start) * TICKS_PER_SECOND), sample.footprint_bytes / 1e9)
            for t, sample in samples
            if sample.footprint_bytes is not None
        ]
    )
    # A machine that slept, or a supervisor that was away, leaves a gap and no line.
    gap = round(envelope.column(HOLD_SECONDS * TICKS_PER_SECOND)) + 1
    grid.paint(draw(envelope.columns(), axis, grid.columns, grid.rows, gap), "train")
    named: dict[int, list[Level]] = {}
    for level in levels:
        row = dot_row(level[1] / 1e9, axis, grid.rows) // 4
        named.setdefault(row, []).append(level)
    for row, found in named.items():
        _, _, mark, role = found[0]
        grid.fill_blank([(row, column) for column in range(grid.columns)], mark, role)
        text = f" {', '.join(f'{name} {fmt.gigabytes(size)}' for name, size, *_ in found)} "
        grid.put(row, grid.columns - len(text) - 1, text, role)
    return framed(grid, axis)


def time_axis(shown: TimeWindow, columns: int) -> list[Line]:
    """The axis with a tick a stride, and under it the clock."""
    rule: list[Span] = [("─", "rule")] * columns
    labels = [" "] * (columns + 1)
    room = 0
    for t, text in shown.labels():
        cell = min(columns - 1, round(shown.share(t) * (columns - 1)))
        rule[cell] = ("┬", "rule")
        first = max(0, min(cell + 1 - len(text) // 2, columns + 1 - len(text)))
        if first >= room:
            labels[first : first + len(text)] = text
            room = first + len(text) + 2
    return [
        line((" " * (LABEL_WIDTH + 1) + "└", "rule"), *joined(rule)),
        line((f"{'time':>{LABEL_WIDTH}} ", "label"), ("".join(labels), "label")),
    ]


def time_strip(
    name: str,
    values: Iterable[tuple[float, float | None]],
    shown: TimeWindow,
    columns: int,
    top: float | None,
    role: Role,
) -> Line:
    """The highest value in each cell of time, as blocks; a value holds for HOLD_SECONDS."""
    cells: list[float | None] = [None] * columns
    newest = -1
    before: tuple[float, int, float | None] | None = None
    for t, value in values:
        cell = min(columns - 1, int(shown.share(t) * columns))
        if cell < 0:
            continue
        if before is not None and t - before[0] <= HOLD_SECONDS:
            cells[before[1] + 1 : cell] = [before[2]] * max(0, cell - before[1] - 1)
        known = cells[cell]
        cells[cell] = value if known is None else known if value is None else max(known, value)
        before, newest = (t, cell, value), cell
    text = sparkline(cells[: newest + 1], top)
    return line((f"{name:>{LABEL_WIDTH}} ", "label"), ("│", "rule"), (text, role))
