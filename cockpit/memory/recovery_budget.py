"""How much a plan may need after a death: never what the machine has just failed to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.core.diagnosis import memory_reasons
from cockpit.core.forecast import MemoryForecast
from cockpit.core.format import gigabytes
from cockpit.core.samples import MemorySample

# Kept free of what was in use at the death, and once more for each recovery that did not help.
MARGIN = 0.05
MOST_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Death:
    """What a run had when it died, in bytes; None is unknown.

    ``mlx_peak_bytes`` is the trainer's own last word on its peak, ``high_water_bytes`` the most
    that the whole process ever held by the system's account; it and the ``samples`` are of the
    memory that the run needs, so there are none for a device with memory of its own. A guard that
    stopped it knows the ``room_bytes`` that its process could have had. ``in_vain`` counts the
    recoveries in a row since the run last got further.
    """

    samples: Sequence[MemorySample] = ()
    mlx_peak_bytes: int | None = None
    high_water_bytes: int | None = None
    loaded_bytes: int | None = None
    room_bytes: int | None = None
    forecast: MemoryForecast | None = None
    in_vain: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    size_bytes: int | None
    reason: str


def after(death: Death | None, machine_bytes: int | None) -> Budget:
    """The smaller of what the machine is said to have and what it demonstrably gave, less a margin.

    ``machine_bytes`` is the profile's budget, within any cgroup limit; ``death`` None is a plan
    that has not been launched.
    """
    said = Budget(machine_bytes, "what the machine has for a run" if machine_bytes else "")
    if death is None:
        return said
    given = _given(death)
    if given is None:
        return said
    margin = min(MARGIN * (1 + death.in_vain), MOST_MARGIN)
    # A plan is held to this with all that its process needs, and the margin is of MLX's part.
    outside = death.forecast.outside_bytes if death.forecast is not None else 0
    size = int(given.size_bytes * (1 - margin)) + outside
    room = Budget(size, f"{given.reason}, less {margin:.0%} of MLX's part")
    if machine_bytes is not None and machine_bytes <= (room.size_bytes or 0):
        return said
    return room


@dataclass(frozen=True, slots=True)
class _Given:
    size_bytes: int
    reason: str


def _given(death: Death) -> _Given | None:
    """What MLX alone had of the machine when that gave no more; None if nothing tells.

    A plan that died needed more than its forecast where that was less than what was in use, and
    so will those beside it: then the forecast is the measure.
    """
    found = [given for given in (_in_use(death), _forecast(death)) if given is not None]
    return min(found, key=lambda given: given.size_bytes, default=None)


def _in_use(death: Death) -> _Given | None:
    if death.room_bytes is not None:
        reason = f"{gigabytes(death.room_bytes)} for the trainer when the guard stopped it"
        return _Given(death.room_bytes - _outside(death), reason)
    held, peak = _held(death), death.mlx_peak_bytes
    if held is None:
        return _Given(peak, f"MLX held {gigabytes(peak)}") if peak else None
    if death.forecast is not None and not _was_seen(death):
        # The last reading is from before the rise.
        return None
    outside = _outside(death)
    reason = f"{gigabytes(held)} in use when it died"
    if outside:
        reason += f", {gigabytes(outside)} of it outside MLX"
    return _Given(max(held - outside, peak or 0), reason)


def _forecast(death: Death) -> _Given | None:
    if death.forecast is None:
        return None
    reason = f"the {gigabytes(death.forecast.needed_bytes)} forecast for the plan that died"
    return _Given(death.forecast.peak_bytes, reason)


def _held(death: Death) -> int | None:
    readings = [s.footprint_bytes for s in death.samples if s.footprint_bytes is not None]
    if death.high_water_bytes is not None:
        readings.append(death.high_water_bytes)
    return max(readings, default=None)


def _outside(death: Death) -> int:
    """The part of the process that MLX does not count: Python, libraries, the tokenizer.

    The forecast assumes one; what was there when only the model was loaded may show less.
    """
    forecast = death.forecast
    if forecast is None:
        return 0
    assumed = max(0, forecast.outside_bytes)
    if death.loaded_bytes is None:
        return assumed
    return max(0, min(assumed, death.loaded_bytes - forecast.parts.get("weights", 0)))


def _was_seen(death: Death) -> bool:
    """Whether what was in use at the very end is known, and not from a second before."""
    return death.high_water_bytes is not None or bool(memory_reasons(death.samples))
