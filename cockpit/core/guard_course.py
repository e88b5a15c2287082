"""How the figures of one limit move while a trainer is watched."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from cockpit.core.guard_reading import FULL_READING_SECONDS, Bound, Reading
from cockpit.core.trend import Trend

# A step below this share of the limit is noise.
NOISE_SHARE = 0.002
# Rises in a row that are no coincidence of batch lengths.
STEADY_RISES = 3
# MLX's count above the forecast by this factor: the forecast explains nothing any more.
BEYOND_FORECAST = 1.1


@dataclass(slots=True)
class Course:
    """Follows one bound.

    ``beside_mlx`` is what is in use beside MLX's own peak: the least seen at an update's end,
    since a look may come when the next update is under way. ``alone_beside_mlx`` is that without
    other programs.
    """

    beside_mlx: int | None = None
    alone_beside_mlx: int | None = None
    _before: Bound | None = None
    last_rise_bytes: int = 0
    _rises: deque[int] = field(default_factory=lambda: deque(maxlen=STEADY_RISES))
    _unexplained: int | None = None
    _own: Trend = field(default_factory=Trend)
    _others: Trend = field(default_factory=Trend)
    _update: int = 0

    def add(self, bound: Bound, reading: Reading) -> None:
        """The trainer moves by the update, the others by the second."""
        before, self._before = self._before, bound
        if reading.fresh:
            self._others.add(reading.at, bound.others_bytes)
        if reading.update == self._update:
            return
        self._update = reading.update
        counted = reading.mlx_peak_bytes or 0
        self._add_rise(bound, counted, reading.forecast_peak_bytes or 0)
        # What the forecast explains is no growth that goes on.
        explained = min(counted, reading.forecast_peak_bytes or 0)
        self._own.add(reading.at, bound.own_peak_bytes - explained)
        if counted:
            if before is not None and reading.look_seconds < FULL_READING_SECONDS:
                # The next update may be under way already, which it was not a look before.
                own = min(bound.own_peak_bytes, before.own_peak_bytes)
                bound = replace(bound, own_peak_bytes=own)
            self.beside_mlx = _least(self.beside_mlx, bound.needed_bytes - counted)
            self.alone_beside_mlx = _least(self.alone_beside_mlx, bound.alone_bytes - counted)

    def _add_rise(self, bound: Bound, counted: int, forecast: int) -> None:
        """A single rise may be the forecast's own error."""
        unexplained = bound.own_peak_bytes - min(counted, round(BEYOND_FORECAST * forecast))
        rise = 0 if self._unexplained is None else unexplained - self._unexplained
        self._unexplained = unexplained
        self._rises.append(rise if rise > NOISE_SHARE * bound.limit_bytes else 0)
        self.last_rise_bytes = self._rises[-1] or self.last_rise_bytes

    @property
    def steady_rise_bytes(self) -> int:
        """The smallest of the last rises if there was one with every update; else 0."""
        return min(self._rises) if len(self._rises) == STEADY_RISES else 0

    def growth(self, bound: Bound) -> tuple[float, float]:
        """Of the trainer and of the others, in bytes per second."""
        noise = NOISE_SHARE * bound.limit_bytes
        return self._own.bytes_per_second(noise), self._others.bytes_per_second(noise)

    def hurry(self, bound: Bound) -> float:
        """What the others took a second in the last two."""
        return self._others.lately(NOISE_SHARE * bound.limit_bytes)


def _least(before: int | None, now: int) -> int:
    return now if before is None else min(before, now)
