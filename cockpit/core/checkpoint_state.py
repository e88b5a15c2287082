"""What a checkpoint says of itself (state.json), and what a resume asks of one (resume.json)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from cockpit.core.events import Recovery

STATE_NAME = "state.json"
RESUME_NAME = "resume.json"
# From this version on state.json has a checksum of its own, and one without is damaged.
SEALED_VERSION = 2
UNSEALED = (
    f"the checkpoint was written before {STATE_NAME} had a checksum: damage to that file would "
    "not be noticed"
)
_SEAL = "sha256"


def seal(document: dict[str, Any]) -> dict[str, Any]:
    """What goes into state.json: ``document`` with its version and the checksum of the rest."""
    sealed = document | {"version": SEALED_VERSION}
    return sealed | {_SEAL: _digest(sealed)}


def is_as_sealed(document: dict[str, Any]) -> bool:
    """Whether nothing in it changed since ``seal``; True for an older one, which has no seal."""
    if _SEAL not in document:
        return bool(document.get("version", 1) == 1)
    return bool(document[_SEAL] == _digest(document))


def _digest(document: dict[str, Any]) -> str:
    rest = {name: value for name, value in document.items() if name != _SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


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
    are the checkpoint's own with their sha256. ``adapted_layers`` counts, as num_layers does, the
    blocks whose trained weights are in it: more than the plan's once a recovery dropped some;
    None in checkpoints from before that could be.
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
    adapted_layers: int | None = None

    @property
    def doubts(self) -> list[str]:
        """What to say of a checkpoint that can be used, but not be trusted entirely."""
        return [UNSEALED] if self.version < SEALED_VERSION else []

    @property
    def kept_layers(self) -> int:
        """``adapted_layers``, or the plan's num_layers where that says the same."""
        if self.adapted_layers is not None:
            return self.adapted_layers
        return int(self.plan.get("num_layers", -1))


class ResumeRequest(BaseModel):
    """resume.json of an attempt: the checkpoint's folder, and what holds from there on.

    An empty ``checkpoint`` is a start from scratch: a recovery where nothing was saved. Where
    ``iters`` or ``held_learning_rate`` is not given, the checkpoint's own holds, or the plan's.
    ``commands_from`` is the size that control.jsonl had: what follows is meant for this attempt.
    ``recovery`` tells which way out of a lack of memory this attempt is, None for a resume.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    checkpoint: str
    iters: int | None = None
    held_learning_rate: float | None = None
    commands_from: int | None = None
    recovery: Recovery | None = None
