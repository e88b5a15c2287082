"""The minutes a timeline shows: it moves in strides, because a move repaints the whole plot."""

from __future__ import annotations

import time
from dataclasses import dataclass

MINUTES = (2, 5, 10, 20, 60, 120, 360, 1440)
STRIDES = 5


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From ``start`` to ``end``, in Unix seconds."""

    start: float
    end: float

    def share(self, t: float) -> float:
        return (t - self.start) / (self.end - self.start)

    def labels(self) -> list[tuple[float, str]]:
        """(time, its clock) at each stride, for the axis."""
        step = (self.end - self.start) / STRIDES
        times = [self.start + step * number for number in range(STRIDES + 1)]
        form = "%H:%M" if step % 60 == 0 else "%H:%M:%S"
        return [(t, time.strftime(form, time.localtime(t))) for t in times]


def window_for(first: float, newest: float) -> TimeWindow:
    """The shortest of a few lengths that holds both, its end on the next stride."""
    for minutes in MINUTES:
        stride = minutes * 60 / STRIDES
        end = (newest // stride + 1) * stride
        if end - minutes * 60 <= first:
            break
    return TimeWindow(end - minutes * 60, end)
