"""The columns of the table of runs: which of them a width has room for, and what is in each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from cockpit.core import format as fmt
from cockpit.system.run_list import RunRow
from cockpit.system.runs_view import Order, SortKey
from cockpit.ui.spans import Line, Role, line, pad, shorten
from cockpit.ui.widgets.status import STATUS

UP, DOWN = "▴", "▾"
STATE, SIGN = 12, 2
# Below this much the state is told by its sign alone.
STATE_IN_WORDS = 44
SHORTEST_NAME, LONGEST_NAME = 24, 46
SHORTEST_TAGS, LONGEST_TAGS = 9, 26
SHORTEST_MODEL = 16
# What a name has beside it: its mark and a gap.
MARKED = len("* ") + 1
# Beginnings of a run's name that give way to the rest: the year, then the whole date.
DATED = re.compile(r"\d{8}-\d{4}-(?=.)")
YEAR, DATE = len("YYYY"), len("YYYYmmdd-HHMM-")
# Random letters at the end, which may be cut.
ENDING = len("-3f9a")


@dataclass(frozen=True, slots=True)
class Column:
    """A figure at the right end of its ``width`` cells."""

    title: str
    width: int
    text: Callable[[RunRow], str]
    key: SortKey | None = None


ITERS = Column("iters", 7, lambda row: fmt.count(row.summary.iterations))
TRAIN = Column("train", 8, lambda row: fmt.loss(row.summary.final_train_loss), "final-loss")
VALID = Column("valid", 8, lambda row: fmt.loss(row.validation_loss))
BEST = Column("best", 8, lambda row: fmt.loss(row.best_loss), "best-loss")
FORECAST = Column("forecast", 9, lambda row: fmt.gigabytes(row.summary.predicted_peak_bytes))
PEAK = Column("peak", 8, lambda row: fmt.gigabytes(row.summary.measured_peak_bytes), "peak-memory")
DRAWN = (ITERS, TRAIN, VALID, BEST, FORECAST, PEAK)
BY_IMPORTANCE = (BEST, TRAIN, PEAK, FORECAST, ITERS, VALID)


@dataclass(frozen=True, slots=True)
class Layout:
    """How many cells each part of a row has; 0 is not shown."""

    state: int
    name: int
    figures: tuple[Column, ...]
    tags: int
    model: int
    name_from: int = 0


def layout(rows: Sequence[RunRow], order: Order, width: int) -> Layout:
    """The most telling columns that ``width`` cells have room for; the name always has some."""
    longest_state = max((len(row.summary.status) for row in rows), default=0)
    state = max(STATE, SIGN + longest_state + 1) if width >= STATE_IN_WORDS else SIGN
    left = width - state
    figures: set[Column] = set()
    for column in sorted(BY_IMPORTANCE, key=lambda column: column.key != order.key):
        if left - column.width >= SHORTEST_NAME:
            figures.add(column)
            left -= column.width
    longest = max((cell_len(fmt.plain(row.summary.run)) for row in rows), default=0)
    name = max(0, min(left, max(SHORTEST_NAME, min(LONGEST_NAME, longest + MARKED))))
    tags, model = _shares(rows, left - name)
    if not tags and not model:
        name = max(0, left)
    too_long = longest + MARKED - name
    name_from = 0 if too_long <= 0 else YEAR if too_long <= YEAR + ENDING else DATE
    return Layout(state, name, tuple(c for c in DRAWN if c in figures), tags, model, name_from)


def _shares(rows: Sequence[RunRow], spare: int) -> tuple[int, int]:
    longest = max((cell_len(in_line(row.tags)) for row in rows if row.tags), default=0)
    tags = min(longest + 2, LONGEST_TAGS, spare) if longest and spare >= SHORTEST_TAGS else 0
    model = spare - tags if spare - tags >= SHORTEST_MODEL else 0
    if tags and not model:
        tags = min(longest + 2, spare)
    return tags, model


def titles(shape: Layout, order: Order) -> Line:
    """The heads of the columns, with an arrow at the one that the rows are ordered by."""
    arrow = DOWN if order.descending else UP

    def titled(title: str, key: SortKey | None) -> str:
        return title + arrow if key == order.key else title

    state = titled("state", "status") if shape.state >= STATE else ""
    parts = [pad(state, shape.state), pad(titled("run", "date"), shape.name)]
    parts += [titled(c.title, c.key).rjust(c.width) for c in shape.figures]
    if shape.tags:
        parts.append(pad("  tags", shape.tags))
    if shape.model:
        parts.append("  model")
    return line(("".join(parts), "label"))


def cells(row: RunRow, shape: Layout, *, marked: bool) -> Line:
    """One run as a line."""
    summary = row.summary
    glyph, role = STATUS.get(summary.status, ("?", "label"))
    state = f"{glyph} {fmt.plain(summary.status)}" if shape.state >= STATE else glyph
    mark = "* " if marked else ""
    room = max(0, shape.name - 1 - len(mark))
    name = fmt.plain(summary.run)
    if shape.name_from and DATED.match(name):
        name = name[shape.name_from :]
    parts: list[str | tuple[str, Role]] = [
        (pad(state, shape.state), role),
        pad(mark + shorten(name, room), shape.name),
        "".join(column.text(row).rjust(column.width) for column in shape.figures),
    ]
    if shape.tags:
        tags = shorten(in_line(row.tags), shape.tags - 2)
        parts.append((pad(f"  {tags}", shape.tags), "accent"))
    if shape.model:
        parts.append((f"  {fmt.plain(summary.model or 'n/a')}", "label"))
    return line(*parts)


def in_line(tags: Sequence[str]) -> str:
    """``#baseline #night``."""
    return " ".join(f"#{fmt.plain(tag)}" for tag in tags)
