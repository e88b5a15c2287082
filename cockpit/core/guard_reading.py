"""What the guard judges: the limits that bind a trainer, and what is known at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.core.samples import Pressure

# What others take, pressure and swap are read this often.
FULL_READING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit behind which a process dies, and what is taken of it.

    ``own_peak_bytes`` is the most the trainer took so far while training, and ``others_bytes``
    what is in use besides it; below 0 where the trainer's own figure counts more than the limit.
    """

    name: str
    limit_bytes: int
    own_peak_bytes: int
    others_bytes: int = 0

    @property
    def needed_bytes(self) -> int:
        """What is in use once the trainer is at its peak again: it does not swing in an update."""
        return max(0, self.own_peak_bytes + self.others_bytes)

    @property
    def alone_bytes(self) -> int:
        """``needed_bytes`` if no other program held any."""
        return max(0, self.own_peak_bytes + min(0, self.others_bytes))

    @property
    def share(self) -> float:
        return self.needed_bytes / self.limit_bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What the supervisor knows at one moment; None is unknown. ``at`` is a monotonic clock's.

    ``mlx_peak_bytes`` is MLX's own count after ``update`` updates; ``longest_seen`` says that none
    of the batches to come is longer than the longest so far. ``forecast_is_sure`` says that the
    forecast was traced, on a kind of device where such were measured to be right. ``fresh`` is
    False for a quick look at the trainer alone: pressure and swap are then those of the last full
    reading. The next look comes after ``look_seconds``.
    """

    at: float
    bounds: tuple[Bound, ...] = ()
    footprint_bytes: int | None = None
    budget_bytes: int | None = None
    ram_bytes: int | None = None
    pressure: Pressure | None = None
    stalled_percent: float | None = None
    swap_out_bytes_per_second: float | None = None
    update: int = 0
    update_seconds: float | None = None
    mlx_peak_bytes: int | None = None
    forecast_low_bytes: int | None = None
    forecast_peak_bytes: int | None = None
    forecast_is_sure: bool = False
    longest_seen: bool = False
    fresh: bool = True
    look_seconds: float = FULL_READING_SECONDS
