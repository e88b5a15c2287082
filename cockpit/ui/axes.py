"""Axes with round ticks that stay put while the data grow.

Every change of an axis repaints its labels and the whole plot, so an axis changes only when the
data leave it or have shrunk to a small part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

# Share of the axis that the data may shrink to before it follows them.
SHRUNK = 0.35


# Where the highest is this many times the lowest, a logarithmic axis has ticks at 1, 2 and 5 times
# the powers of ten; below that such ticks are too few.
WIDE_RATIO = 4.0


class Scale(Protocol):
    """What a plot needs of an axis."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def ticks(self) -> list[float]: ...
    def share(self, value: float) -> float: ...
    def label(self, value: float) -> str: ...


@dataclass(frozen=True, slots=True)
class Axis:
    """A range that starts and ends on a multiple of half a ``step``."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, last + 1)]

    def share(self, value: float) -> float:
        """Where ``value`` lies, 0 at the low end and 1 at the high end."""
        return (value - self.low) / (self.high - self.low)

    def label(self, value: float) -> str:
        """``value`` with as many decimals as the step needs."""
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        if self.step * 10**decimals % 1 > 1e-6:
            decimals += 1
        if decimals > 4 or abs(value) >= 1e6:
            return f"{value:.0e}" if value else "0"
        return f"{value:.{decimals}f}"


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A range of positive numbers in which equal factors are equally long."""

    low: float
    high: float
    ticks: list[float]

    def share(self, value: float) -> float:
        """Where ``value`` lies, 0 at the low end and 1 at the high end; 0 if it is not positive."""
        if value <= 0:
            return 0.0
        return math.log(value / self.low) / math.log(self.high / self.low)

    def label(self, value: float) -> str:
        return f"{value:.6g}"


def nice_step(span: float, about: int) -> float:
    """The 1, 2 or 5 times a power of ten that cuts ``span`` into about that many pieces."""
    rough = span / max(1, about)
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def axis_for(low: float, high: float, about: int) -> Axis:
    """The tightest axis with round ends that holds ``low`` to ``high``."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = max(abs(high) * 0.05, 1e-6)
        low, high = low - margin, high + margin
    step = nice_step(high - low, about)
    grid = step / 2
    return Axis(math.floor(low / grid + 1e-9) * grid, math.ceil(high / grid - 1e-9) * grid, step)


def log_axis_for(low: float, high: float, about: int) -> LogAxis:
    """The tightest logarithmic axis with round ends that holds ``low`` to ``high``, both > 0."""
    if high / low < WIDE_RATIO:
        plain = axis_for(low, high, max(3, about))
        if plain.low > 0:
            return LogAxis(plain.low, plain.high, plain.ticks)
    first = math.floor(math.log10(low)) - 1
    marks = [
        float(f"{factor}e{power}")
        for power in range(first, math.ceil(math.log10(high)) + 2)
        for factor in (1, 2, 5)
    ]
    slack = 1 + 1e-9
    below = list(takewhile(lambda mark: mark <= low * slack, marks))
    within = list(takewhile(lambda mark: mark * slack < high, marks[len(below) :]))
    ends = [below[-1], *within, marks[len(below) + len(within)]]
    return LogAxis(ends[0], ends[-1], _thinned(ends, about))


def _thinned(marks: list[float], about: int) -> list[float]:
    """About that many ticks: all of ``marks``, or every so many powers of ten among them."""
    if len(marks) <= 2 * about:
        return marks
    decades = [mark for mark in marks if f"{mark:e}".startswith("1.0")]
    return decades[:: -(-len(decades) // (2 * about))]


def follow_log(axis: Scale | None, low: float, high: float, about: int) -> LogAxis:
    """As ``follow``, for a logarithmic axis."""
    wanted = log_axis_for(low, high, about)
    if isinstance(axis, LogAxis) and axis.low <= low and high <= axis.high:
        fill = math.log(wanted.high / wanted.low) / math.log(axis.high / axis.low)
        if fill >= SHRUNK:
            return axis
    return wanted


def follow(axis: Scale | None, low: float, high: float, about: int) -> Axis:
    """``axis`` if the data still fill a fair part of it, a new one otherwise."""
    if isinstance(axis, Axis) and axis.low <= low and high <= axis.high:
        wanted = axis_for(low, high, about)
        if wanted.high - wanted.low >= SHRUNK * (axis.high - axis.low):
            return axis
    return axis_for(low, high, about)


def reach(update: int, updates: int | None) -> int:
    """Where the x axis ends: a round number past ``update``, at most the run's end.

    It grows in a few big strides (10, 20, 50, 100...), so that a young run is not a sliver.
    """
    power = 10
    while True:
        for factor in (1, 2, 5):
            if update <= factor * power:
                end = factor * power
                return end if updates is None else max(min(end, updates), update, 1)
        power *= 10
