"""Saving: weights that are numbers, to a disk that may be full."""

from __future__ import annotations

import time
from typing import Any

import mlx.core as mx

from cockpit.core.events import Checkpointed, Note, PhaseChanged
from cockpit.trainer import checkpoint, resume
from cockpit.trainer.evaluate import random_state
from cockpit.trainer.failures import Failure
from cockpit.trainer.job import Job, Progress


def save(job: Job, progress: Progress, reason: str) -> bool:
    """Writes a checkpoint and moves ``adapters`` to it; False if the disk would not take it.

    Raises Failure rather than save weights that are not finite. Only rank 0 writes.
    """
    arrays = resume.arrays(job.model, job.optimizer)
    weights = arrays[checkpoint.ADAPTERS_NAME]
    _refuse_nonfinite(weights, progress.update, progress.saved_update)
    if not job.ranks.first:
        progress.saved_update = progress.update
        return True
    job.emit(PhaseChanged(phase="saving", detail=reason))
    start = time.perf_counter()
    config = {checkpoint.CONFIG_NAME: resume.adapter_config(job.plan)}
    try:
        path = checkpoint.write(
            job.run, progress.update, arrays, config, lambda files: _state(job, progress, files)
        )
        checkpoint.point_adapters(job.run, path)
    except OSError as error:
        job.emit(
            Note(
                level="error",
                message=f"The checkpoint at update {progress.update} could not be written: "
                f"{error.filename or job.run.checkpoints}: {error.strerror or error}",
                remedy="Free some space on this disk. It is tried again at the next save; "
                "earlier checkpoints are intact.",
            )
        )
        return False
    checkpoint.prune(job.run)
    progress.saved_update = progress.update
    job.emit(
        Checkpointed(
            update=progress.update,
            path=str(path.relative_to(job.run.path)),
            seconds=time.perf_counter() - start,
            size_bytes=checkpoint.size_bytes(path),
            reason=reason,
        )
    )
    return True


def _state(job: Job, progress: Progress, files: dict[str, str]) -> dict[str, Any]:
    epoch, position = divmod(progress.update, job.order.updates_per_epoch)
    validated = progress.last_validation
    measured_now = validated is not None and validated[0] == progress.update
    return resume.TrainerState(
        update=progress.update,
        epoch=epoch,
        position=position,
        trained_tokens=progress.trained_tokens,
        iters=progress.iters,
        planned_iters=job.plan.iters,
        held_learning_rate=progress.held_learning_rate,
        validation_loss=validated[1] if validated and measured_now else None,
        best_validation=progress.best_validation,
        random_state=random_state(),
        plan=resume.facts(job.plan, job.data_sha256),
        versions=resume.versions(),
        files=files,
    ).model_dump(mode="json")


def _refuse_nonfinite(weights: dict[str, mx.array], update: int, saved_update: int) -> None:
    finite = mx.stack([mx.all(mx.isfinite(value)) for value in weights.values()])
    if not mx.all(finite).item():
        raise nonfinite(update, "a weight is not a finite number", saved_update)


def nonfinite(update: int, what: str, saved_update: int) -> Failure:
    """The failure of training that ran away at ``update``; 0 saved is no checkpoint yet."""
    kept = f"the checkpoint at update {saved_update} is intact" if saved_update else "none was yet"
    return Failure(
        "nan",
        "The training diverged",
        f"update {update}: {what}. These weights are not saved; {kept}.",
        "Lower the learning rate or add warm-up, and check the data for damaged examples"
        + (", then resume from that checkpoint." if saved_update else "."),
        exit_code=1,
    )
