"""Saving: weights that are numbers, to a disk that may be full."""

from __future__ import annotations

import time
from typing import Any

import mlx.core as mx

from cockpit.core.checkpoint_state import TrainerState
from cockpit.core.events import Checkpointed, Note, PhaseChanged
from cockpit.trainer import checkpoint, disk, resume
from cockpit.trainer.failures import Failure
from cockpit.trainer.inference import random_state
from cockpit.trainer.job import Job, Progress

SAVE_RETRY_SECONDS = 2.0


class NoRoom(Exception):
    """The disk would not take a checkpoint; the text says which and why."""


class Saver:
    """Saves a run, and remembers what a full disk refused until there is room for it.

    ``refusal`` says in words what was refused last and is still owed, if anything is.
    """

    def __init__(self, job: Job, progress: Progress):
        self.refusal = ""
        self._reason = ""
        self._retry_at = 0.0
        self._job = job
        self._progress = progress
        self._room = disk.Room(job.run.path, _size_bytes(job))

    def save(self, reason: str) -> bool:
        """Writes a checkpoint; False if it could not, after a Note unless the disk is full."""
        try:
            if self._job.ranks.first and (lacking := self._room.look_now()):
                raise NoRoom(lacking)
            saved = _save(self._job, self._progress, reason)
            self.refusal = ""
        except NoRoom as error:
            self.refusal, self._reason = str(error), reason
            self._retry_at = time.monotonic() + SAVE_RETRY_SECONDS
            return False
        return saved

    def no_room(self) -> str | None:
        """Why training has to wait for the disk, or None; now and then tries again what is owed."""
        if not self.refusal:
            return self._room.lacking()
        if time.monotonic() >= self._retry_at:
            self.save(self._reason)
        return self.refusal or None


def _save(job: Job, progress: Progress, reason: str) -> bool:
    """Writes a checkpoint and moves ``adapters`` to it; False after a Note that says why not.

    Raises NoRoom if the disk is full, and Failure rather than save weights that are not finite.
    Only rank 0 writes.
    """
    arrays = resume.arrays(job.model, job.optimizer, job.kept)
    weights = arrays[checkpoint.ADAPTERS_NAME]
    _refuse_nonfinite(weights, progress.update, progress.saved_update)
    if not job.ranks.first:
        progress.saved_update = progress.update
        return True
    job.emit(PhaseChanged(phase="saving", detail=reason))
    start = time.perf_counter()
    config = {checkpoint.CONFIG_NAME: resume.adapter_config(job.plan, job.kept)}
    try:
        path = checkpoint.write(
            job.run, progress.update, arrays, config, lambda files: _state(job, progress, files)
        )
        checkpoint.point_adapters(job.run, path)
        checkpoint.point_best(job.run, wanted=job.plan.keep_best)
    except OSError as error:
        said = f"{error.filename or job.run.checkpoints}: {error.strerror or error}"
        what = f"checkpoint at update {progress.update} could not be written: {said}"
        if disk.is_full(error):
            raise NoRoom(f"the {what}") from error
        remedy = "It is tried again at the next save; earlier checkpoints are intact."
        job.emit(Note(level="error", message=f"The {what}", remedy=f"Mend that. {remedy}"))
        return False
    checkpoint.prune(job.run, checkpoint.Keep.of(job.plan))
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


def _size_bytes(job: Job) -> int:
    """What a checkpoint takes, but for a few kilobytes of descriptions."""
    groups = resume.arrays(job.model, job.optimizer, job.kept).values()
    return sum(array.nbytes for group in groups for array in group.values())


def _state(job: Job, progress: Progress, files: dict[str, str]) -> dict[str, Any]:
    epoch, position = divmod(progress.update, job.order.updates_per_epoch)
    validated = progress.last_validation
    measured_now = validated is not None and validated[0] == progress.update
    return TrainerState(
        attempt=job.attempt,
        update=progress.update,
        epoch=epoch,
        position=position,
        trained_tokens=progress.trained_tokens,
        iters=progress.iters,
        planned_iters=job.plan.iters,
        held_learning_rate=progress.held_learning_rate,
        validation_loss=validated[1] if validated and measured_now else None,
        best_validation=progress.best_validation,
        patience=progress.patience,
        random_state=random_state(),
        plan=job.plan.model_dump(mode="json"),
        model_sha256=job.content.model_sha256,
        data_sha256=job.content.data_sha256,
        data_files=job.content.data_files,
        device=job.device,
        versions=resume.versions(),
        files=files,
        adapted_layers=job.kept.layers,
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
