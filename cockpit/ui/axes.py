"""Axes with round ticks that stay put while the data grow.

Every change of an axis repaints its labels and the whole plot, so an axis changes only when the
data leave it or have shrunk to a small part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Share of the axis that the data may shrink to before it follows them.
SHRUNK = 0.35


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


def follow(axis: Axis | None, low: float, high: float, about: int) -> Axis:
    """``axis`` if the data still fill a fair part of it, a new one otherwise."""
    if axis is not None and axis.low <= low and high <= axis.high:
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
