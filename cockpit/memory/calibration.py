"""Run-ahead constants measured on this machine, in ``calibration.toml`` of the home."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from cockpit.core.profiles import Backend
from cockpit.errors import CockpitError
from cockpit.memory.backends import RunAhead, default_run_ahead
from cockpit.system import whole_file
from cockpit.system.home import home
from cockpit.system.software import installed_version


class Calibration(BaseModel):
    """What was fitted, for which device and mlx, and how far off the forecasts were.

    The errors are the worst of a few short runs: forecast over measured, less one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Backend
    chip: str
    mlx: str
    work_per_task: PositiveInt
    outstanding_tasks: PositiveInt
    error_before: float
    error_after: float

    def applied(self, ahead: RunAhead) -> RunAhead:
        return replace(
            ahead,
            work_per_task=self.work_per_task,
            outstanding_tasks=self.outstanding_tasks,
            source=f"calibrated on this machine; {ahead.source}",
        )


def run_ahead(backend: Backend, chip: str | None = None) -> RunAhead:
    """What was calibrated for this very device and the installed mlx, else MLX's defaults."""
    ahead = default_run_ahead(backend, chip)
    stored = load()
    if stored is None or (stored.backend, stored.chip) != (backend, chip):
        return ahead
    return stored.applied(ahead) if stored.mlx == installed_version("mlx") else ahead


def calibration_path() -> Path:
    return home() / "calibration.toml"


def load() -> Calibration | None:
    """What is stored; None without it, or if it is damaged."""
    try:
        return Calibration.model_validate(tomllib.loads(calibration_path().read_text()))
    except (OSError, ValueError, ValidationError):
        return None


def save(calibration: Calibration) -> Path:
    """Writes beside and renames. Raises CockpitError if the home refuses."""
    import tomli_w

    path = calibration_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(path, tomli_w.dumps(calibration.model_dump()))
    except OSError as error:
        raise CockpitError(
            "The calibration could not be saved",
            f"{path}: {error.strerror}",
            "Make the folder writable, or set COCKPIT_HOME to another one.",
            exit_code=1,
        ) from error
    return path
