"""What a forecast is made of: one bar of patterns, and the legend that names them."""

from __future__ import annotations

from itertools import groupby

from cockpit.core import format as fmt
from cockpit.ui.spans import Line, Role, line, width_of
from cockpit.ui.view import Forecast

# Told apart by their pattern, and by colour where there is any.
PATTERNS = "█▒░▓▚═┄·"
# Of the budget: parts that together take less are drawn for themselves.
SEEN_SHARE = 0.1
COLOURS: tuple[Role, ...] = ("train", "valid", "label")

Part = tuple[str, int, str, Role]


def largest_first(forecast: Forecast) -> list[Part]:
    """Name, size, pattern and role of the parts that take anything."""
    sized = sorted((part for part in forecast.parts if part[1] > 0), key=lambda part: -part[1])
    return [
        (fmt.plain(name).replace("_", " "), size, PATTERNS[i % len(PATTERNS)], COLOURS[i % 3])
        for i, (name, size) in enumerate(sized)
    ]


def parts_bar(forecast: Forecast, width: int) -> Line:
    """The parts side by side, each as wide as its share; what is under half a cell is left out.

    Against the budget, which a ``│`` marks, unless the parts would be too narrow to be seen.
    """
    parts = largest_first(forecast)
    total = sum(size for _, size, _, _ in parts)
    budget = forecast.budget_bytes
    shown = budget is not None and total >= SEEN_SHARE * budget
    scale = max(total, budget) if shown and budget is not None else total
    cells: list[tuple[str, Role]] = []
    before = 0
    for _, size, pattern, role in parts:
        before += size
        cells += [(pattern, role)] * (round(before / scale * width) - len(cells))
    cells += [("─", "rest")] * (width - len(cells))
    if shown and budget is not None and width:
        cells[max(0, round(budget / scale * width) - 1)] = ("│", "strong")
    runs = groupby(cells, lambda cell: cell[1])
    return line(*(("".join(cell for cell, _ in run), role) for role, run in runs))


def parts_legend(forecast: Forecast, width: int) -> Line:
    """``█ activations 5.7 MB  ▒ weights 3.7 MB``: as many as fit, and how many are left out."""
    parts = largest_first(forecast)
    told: Line = ()
    for index, (name, size, pattern, role) in enumerate(parts):
        item = line((pattern, role), f" {name} ", (fmt.gigabytes(size), "label"), "  ")
        left = len(parts) - index - 1
        rest = line((f"and {left} smaller", "label")) if left else ()
        if width_of((*told, *item, *rest)) > width:
            return (*told, (f"and {left + 1} smaller", "label"))
        told = (*told, *item)
    return told
