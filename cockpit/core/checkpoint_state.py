"""What a checkpoint says of itself (state.json), and what a resume asks of one (resume.json)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from cockpit.core.events import Recovery

STATE_NAME = "state.json"
RESUME_NAME = "resume.json"


class Patience(BaseModel):
    """Early stopping's memory: the loss to beat, and scheduled validations since it was."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    best: float | None = None
    stale: int = 0

    def after(self, loss: float, min_delta: float) -> Patience:
        """What it is once a validation measured ``loss``."""
        if self.best is None or loss < self.best - min_delta:
            return Patience(best=loss)
        return Patience(best=self.best, stale=self.stale + 1)


class TrainerState(BaseModel):
    """state.json. ``update`` updates are done; the next one starts at ``position`` of ``epoch``.

    ``validation_loss`` is that of this very update, None if it was not measured then.
    ``held_learning_rate`` and ``iters`` keep what commands changed. ``plan`` is the whole plan
    of ``attempt``, the one that wrote this; the model is told by ``model_sha256``, the training
    examples by their tokens in ``data_sha256`` and by their files in ``data_files``. ``files``
    are the checkpoint's own with their sha256.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    attempt: int
    update: int
    epoch: int
    position: int
    trained_tokens: int
    iters: int
    planned_iters: int
    held_learning_rate: float | None
    validation_loss: float | None
    best_validation: tuple[int, float] | None
    patience: Patience = Patience()
    random_state: list[int]
    plan: dict[str, Any]
    model_sha256: str
    data_sha256: str
    data_files: dict[str, str] = {}
    device: str = ""
    versions: dict[str, str]
    files: dict[str, str]


class ResumeRequest(BaseModel):
    """resume.json of an attempt: the checkpoint's folder, and what holds from there on.

    Where ``iters`` or ``held_learning_rate`` is not given, the checkpoint's own holds.
    ``recovery`` tells which way out of a lack of memory this attempt is, None for a resume.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    checkpoint: str
    iters: int | None = None
    held_learning_rate: float | None = None
    recovery: Recovery | None = None
