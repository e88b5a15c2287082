"""Plans that were timed for their own sake, kept so that none has to be timed twice.

``timings.jsonl`` in the home is one readable line a plan, the newest last, and never more than
``MOST_RECORDS``. Losing it costs nothing but the time to measure again.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from cockpit.core.plan import RunPlan
from cockpit.system import whole_file
from cockpit.system.home import home

MOST_RECORDS = 200
# What plans must share for the time of an example to be the same.
_SHAPE = (
    "model", "fine_tune_type", "num_layers", "max_seq_length", "grad_checkpoint", "loss_chunks",
)  # fmt: skip


class Timing(BaseModel):
    """What a warm-up of ``updates`` updates found; the first ones, which are slow, do not count."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    t: float = Field(default_factory=time.time)
    shape: dict[str, Any]
    data: str
    batch_size: PositiveInt
    seconds_per_example: PositiveFloat
    updates: PositiveInt


def shape_of(plan: RunPlan) -> dict[str, Any]:
    """What the time of an example depends on."""
    return {name: getattr(plan, name) for name in _SHAPE}


def data_of(plan: RunPlan) -> str:
    """The plan's data by name."""
    return plan.data if not plan.hf_dataset else json.dumps(plan.hf_dataset, sort_keys=True)


def timings_path() -> Path:
    return home() / "timings.jsonl"


def records() -> list[Timing]:
    """All that is kept, oldest first; a damaged line is passed over."""
    try:
        lines = timings_path().read_bytes().splitlines()
    except OSError:
        return []
    return [timing for line in lines if (timing := _parse(line)) is not None]


def remember(plan: RunPlan, seconds_per_example: float, updates: int) -> None:
    """Keeps what was measured in place of what was known of the same plan before.

    That it cannot be kept is no reason to fail: it was told.
    """
    fresh = Timing(
        shape=shape_of(plan),
        data=data_of(plan),
        batch_size=plan.batch_size,
        seconds_per_example=seconds_per_example,
        updates=updates,
    )
    kept = [each for each in records() if _key(each) != _key(fresh)]
    with suppress(OSError):
        _write([*kept, fresh][-MOST_RECORDS:])


def _key(timing: Timing) -> tuple[dict[str, Any], str, int]:
    return timing.shape, timing.data, timing.batch_size


def _parse(line: bytes) -> Timing | None:
    try:
        return Timing.model_validate_json(line)
    except ValidationError:
        return None


def _write(kept: list[Timing]) -> None:
    path = timings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_file.write(path, "".join(timing.model_dump_json() + "\n" for timing in kept))
