"""Room for the run: a home that can be written, and space for its checkpoints."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.core.tensors import Tensor
from cockpit.core.trainable import checkpoint_bytes, trainable_parameters
from cockpit.errors import CockpitError
from cockpit.system.home import runs_folder

# Events, logs and plans of a long run.
MARGIN_BYTES = 50_000_000


def check_home() -> Iterator[CockpitError | str]:
    """Writes a nameless file where the run would be made."""
    folder = _nearest_existing(runs_folder())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        yield CockpitError(
            "The cockpit's home cannot be written",
            f"{runs_folder()}: {error.strerror}",
            "Free some space or make it writable, or set COCKPIT_HOME to another folder.",
        )


def check_space(
    plan: RunPlan, spec: ModelSpec, tensors: Mapping[str, Tensor]
) -> Iterator[CockpitError | str]:
    """The checkpoints' size, computed, against what the disk has left."""
    needed = needed_bytes(plan, spec, tensors)
    folder = _nearest_existing(runs_folder())
    free = shutil.disk_usage(folder).free
    if needed is not None and needed > free:
        yield CockpitError(
            "The disk has no room for the checkpoints",
            f"{folder}: up to {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free",
            "Free some space, set COCKPIT_HOME to a larger disk, or lower rank or num_layers.",
        )


def needed_bytes(plan: RunPlan, spec: ModelSpec, tensors: Mapping[str, Tensor]) -> int | None:
    """The most bytes the run takes on disk at once; None if the model's shapes are unknown."""
    trainable = trainable_parameters(plan, spec, tensors)
    if trainable is None:
        return None
    scheduled = plan.updates // plan.in_updates(plan.save_every)
    # The last ones, the best, those kept for good, and one being written beside them.
    kept = plan.keep_last + plan.keep_best + 1
    kept += scheduled // plan.keep_every if plan.keep_every else 0
    return checkpoint_bytes(plan, trainable) * min(scheduled + 2, kept) + MARGIN_BYTES


def _nearest_existing(path: Path) -> Path:
    """``path``, or the part of it that is there already."""
    for candidate in (path, *path.parents):
        try:
            if candidate.exists():
                return candidate
        except OSError:
            continue
    return path
