"""The guard's thresholds: the ``[guard]`` table of a hardware profile."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, le=1)]


class GuardSettings(BaseModel):
    """When the guard acts. Shares are of a limit behind which a process is killed.

    In use counts what others hold plus the trainer at its own peak, whatever it holds right now.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    warn_share: Share = Field(0.92, description="In use from which on it warns.")
    stop_share: Share = Field(0.97, description="In use from which on it stops the run.")
    clear_share: Share = Field(0.88, description="In use below which a warning is over.")
    foreseen_share: Share = Field(
        0.85, description="Like stop_share, where the forecast says that more is to come than fits."
    )
    readings: int = Field(3, ge=1, description="Readings in a row before it acts.")
    pressure_readings: int = Field(
        10, ge=1, description="Seconds in a row of critical pressure, or swapping, before it stops."
    )
    stalled_percent: float = Field(
        40.0, gt=0, le=100, description="Linux: time in which all waited for memory (PSI full)."
    )
    swap_out_mib_per_second: float = Field(
        64.0, gt=0, description="Swapping out, over the budget, from which on it stops the run."
    )

    @model_validator(mode="after")
    def _ordered(self) -> GuardSettings:
        if not self.clear_share < self.warn_share <= self.stop_share:
            raise ValueError("clear_share must be below warn_share, and that not above stop_share")
        return self
