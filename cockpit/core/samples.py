"""One reading of the machine's memory. None is unknown; it is never written as 0."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Pressure = Literal["normal", "warning", "critical"]


class MemorySample(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    ram_total_bytes: int | None = None
    ram_available_bytes: int | None = None
    ram_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_in_bytes_per_second: float | None = None
    swap_out_bytes_per_second: float | None = None
    pressure: Pressure | None = None
    pressure_some_percent: float | None = None
    pressure_full_percent: float | None = None
    wired_bytes: int | None = None
    compressed_bytes: int | None = None
    footprint_bytes: int | None = None
    limit_bytes: int | None = None
    limit_used_bytes: int | None = None
    oom_kills: int | None = None
