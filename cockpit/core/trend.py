"""Growth that goes on, told from a jump and from noise."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

# Growth is judged over so many points, most of them rising.
POINTS = 8
RISES = 5


class Trend:
    """The newest points of a quantity in bytes, by time in seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=POINTS)

    def add(self, at: float, size_bytes: int) -> None:
        self._points.append((at, size_bytes))

    def bytes_per_second(self, noise_bytes: float) -> float:
        """How fast it grows; 0 unless most steps rise by more than ``noise_bytes``."""
        points = list(self._points)
        if len(points) < POINTS:
            return 0.0
        rises = sum(b[1] - a[1] > noise_bytes for a, b in pairwise(points))
        seconds = points[-1][0] - points[0][0]
        grown = points[-1][1] - points[0][1]
        return grown / seconds if rises >= RISES and seconds > 0 and grown > 0 else 0.0

    def lately(self, noise_bytes: float) -> float:
        """How fast it grew in the slower of the last two steps; 0 unless both rose."""
        last = list(self._points)[-3:]
        if len(last) < 3 or any(b[1] - a[1] <= noise_bytes for a, b in pairwise(last)):
            return 0.0
        return min((b[1] - a[1]) / max(b[0] - a[0], 0.1) for a, b in pairwise(last))
