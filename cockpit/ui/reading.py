"""What a run's curves say at one update: under the cursor of the plot."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cockpit.core import events as ev
from cockpit.core import format as fmt
from cockpit.core.run_state import RunState
from cockpit.ui.spans import Line, line

T = TypeVar("T")
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """At ``update``, one that has a loss; the validation is the one nearest to it."""

    update: int
    loss: float
    learning_rate: float | None
    validation: ev.Validated | None
    smoothed: float | None = None


def read(state: RunState, update: int, smoothed: Sequence[Point] = ()) -> Reading | None:
    """The reading at the update with a loss that is nearest to ``update``; None without any."""
    point = nearest(state.losses, update, _update)
    if point is None:
        return None
    rate = nearest(state.learning_rates, point[0], _update)
    average = nearest(smoothed, point[0], _update)
    return Reading(
        *point,
        rate[1] if rate else None,
        nearest(state.validations, point[0], lambda validation: validation.update),
        average[1] if average else None,
    )


def nearest(records: Sequence[T], update: int, update_of: Callable[[T], int]) -> T | None:
    """The one nearest to ``update`` of records in the order of their updates."""
    after = bisect_left(records, update, key=update_of)
    around = records[max(0, after - 1) : after + 1]
    return min(around, key=lambda record: abs(update_of(record) - update), default=None)


def with_loss(points: Sequence[Point], update: int) -> int:
    """The update with a loss that is nearest to ``update``."""
    point = nearest(points, update, _update)
    return update if point is None else point[0]


def stepped(points: Sequence[Point], update: int, updates: int) -> int:
    """``update`` moved by about so many ``updates``, by one point at least, onto a point."""
    here = nearest(points, update, _update)
    if here is None:
        return update
    target = with_loss(points, here[0] + updates)
    if target != here[0]:
        return target
    index = bisect_left(points, here[0], key=_update) + (1 if updates > 0 else -1)
    return points[max(0, min(len(points) - 1, index))][0]


def in_words(found: Reading) -> Line:
    """``update 1,234  loss 1.234  ◆ 1.402 at 1,200  lr 1e-05``."""
    spans = line(
        ("update ", "label"), (fmt.count(found.update), "accent"),
        ("  loss ", "label"), (fmt.loss(found.loss), "strong"),
    )  # fmt: skip
    if found.smoothed is not None and math.isfinite(found.smoothed):
        spans = (*spans, (f" ~{fmt.loss(found.smoothed)}", "train"))
    if found.validation is not None:
        at = "" if found.validation.update == found.update else f" at {found.validation.update:,}"
        spans = (*spans, ("  ◆ ", "valid"), (fmt.loss(found.validation.loss), "strong"),
                 (at, "label"))  # fmt: skip
    return (*spans, ("  lr ", "label"), (fmt.scientific(found.learning_rate), "strong"))


def _update(point: Point) -> int:
    return point[0]
