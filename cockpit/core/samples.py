"""One reading of the machine's memory. None is unknown; it is never written as 0."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Pressure = Literal["normal", "warning", "critical"]


class MemorySample(BaseModel):
    """Memory at one moment, in bytes.

    Under a cgroup limit below the machine's RAM, ``ram_*`` and ``swap_*`` are what that limit
    leaves: the total is the limit. ``limit_used_bytes`` leaves out the file cache that the
    kernel drops before it kills. ``footprint_bytes`` is the trainer process alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ram_total_bytes: int | None = None
    ram_available_bytes: int | None = None
    ram_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_in_bytes_per_second: float | None = None
    swap_out_bytes_per_second: float | None = None

    # macOS: the kernel's own level. Linux: from PSI, see sensors.linux.pressure_word.
    pressure: Pressure | None = None
    # Linux: share of the last 10 s in which some, or all, tasks waited for memory.
    pressure_some_percent: float | None = None
    pressure_full_percent: float | None = None
    # macOS: kern.memorystatus_level, what `memory_pressure` calls the free percentage.
    free_percent: int | None = None

    wired_bytes: int | None = None
    compressed_bytes: int | None = None
    footprint_bytes: int | None = None

    limit_bytes: int | None = None
    limit_used_bytes: int | None = None
    # Processes of this cgroup (of the machine, outside any) that the kernel killed, so far.
    oom_kills: int | None = None
