"""What a checkpoint must hold so that training continues to the bit, and how it is taken up."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten
from pydantic import BaseModel, ConfigDict, ValidationError

from cockpit import __version__
from cockpit.core.plan import RunPlan
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.trainer import checkpoint
from cockpit.trainer.evaluate import set_random_state
from cockpit.trainer.failures import Failure
from cockpit.trainer.loading import load_adapter_weights, load_arrays

RESUME_NAME = "resume.json"


class PlanFacts(BaseModel):
    """What a checkpoint's arrays and position mean something under, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    fine_tune_type: str
    num_layers: int
    rank: int
    scale: float
    keys: tuple[str, ...] | None
    optimizer: str
    seed: int
    examples_per_update: int
    data_sha256: str


class TrainerState(BaseModel):
    """state.json. ``update`` updates are done; the next one starts at ``position`` of ``epoch``.

    ``validation_loss`` is that of this very update, None if it was not measured then.
    ``held_learning_rate`` and ``iters`` keep what commands changed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    update: int
    epoch: int
    position: int
    trained_tokens: int
    iters: int
    planned_iters: int
    held_learning_rate: float | None
    validation_loss: float | None
    best_validation: tuple[int, float] | None
    random_state: list[int]
    plan: PlanFacts
    versions: dict[str, str]
    files: dict[str, str]


def versions() -> dict[str, str]:
    found = {name: metadata.version(name) for name in ("mlx", "mlx-lm")}
    return found | {"cockpit": __version__, "python": platform.python_version()}


def facts(plan: RunPlan, data_sha256: str) -> PlanFacts:
    lora = plan.lora_parameters
    return PlanFacts(
        model=plan.model,
        fine_tune_type=plan.fine_tune_type,
        num_layers=plan.num_layers,
        rank=lora.rank,
        scale=lora.scale,
        keys=lora.keys,
        optimizer=plan.optimizer,
        seed=plan.seed,
        examples_per_update=plan.examples_per_update,
        data_sha256=data_sha256,
    )


def arrays(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, dict[str, mx.array]]:
    """What a checkpoint stores of the model (as mlx-lm saves it) and of the optimizer."""
    return {
        checkpoint.ADAPTERS_NAME: dict(tree_flatten(model.trainable_parameters())),
        checkpoint.OPTIMIZER_NAME: dict(tree_flatten(optimizer.state)),
    }


def adapter_config(plan: RunPlan) -> dict[str, Any]:
    """adapter_config.json: the plan in mlx-lm's words, from which it rebuilds the adapters."""
    document = plan.model_dump(mode="json")
    if plan.fine_tune_type == "full":
        document["lora_parameters"] = None
    return document


def asked_for(run: RunDir, attempt: AttemptDir) -> Path | None:
    """The checkpoint that resume.json in the attempt's folder names; None without one."""
    path = attempt.path / RESUME_NAME
    try:
        name = json.loads(path.read_bytes())["checkpoint"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(
            "checkpoint",
            "The resume request cannot be read",
            f'{path}: expected {{"checkpoint": "0000100"}}',
            "Resume the run again.",
        ) from error
    return run.checkpoints / Path(str(name)).name


def peek(run: RunDir, attempt: AttemptDir) -> TrainerState | None:
    """The state an attempt continues from, unverified; None if it starts fresh or cannot say."""
    try:
        folder = asked_for(run, attempt)
        if folder is None:
            return None
        return TrainerState.model_validate_json((folder / checkpoint.STATE_NAME).read_bytes())
    except (Failure, OSError, ValidationError):
        return None


def read(folder: Path) -> TrainerState:
    """The state in a checkpoint whose files are all as they were written."""
    try:
        state = TrainerState.model_validate_json((folder / checkpoint.STATE_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(folder / checkpoint.STATE_NAME, "missing or damaged") from error
    for name, digest in state.files.items():
        path = folder / name
        if not path.is_file():
            raise _damaged(path, "missing")
        if checkpoint.sha256(path) != digest:
            raise _damaged(path, "its checksum is wrong")
    return state


def check(state: TrainerState, wanted: PlanFacts, folder: Path) -> None:
    """Raises Failure naming the first fact under which this checkpoint cannot continue."""
    for name in PlanFacts.model_fields:
        saved, asked = getattr(state.plan, name), getattr(wanted, name)
        if saved == asked:
            continue
        remedy = f"Resume with {name} = {saved!r}, or start a new run from its adapters."
        if name == "data_sha256":
            remedy = "Restore the data, or start a new run with resume_adapter_file."
            saved, asked = "other data", "what the data folder holds now"
        raise Failure(
            "checkpoint",
            "The checkpoint belongs to another plan",
            f"{folder}: {name} was {saved}, now {asked}",
            remedy,
        )


def restore(
    folder: Path, state: TrainerState, model: nn.Module, optimizer: optim.Optimizer
) -> None:
    """Weights, moments and random state as they were after ``state.update`` updates."""
    if load_adapter_weights(model, folder / checkpoint.ADAPTERS_NAME):
        raise _damaged(folder / checkpoint.ADAPTERS_NAME, "weights are missing")
    saved = load_arrays(folder / checkpoint.OPTIMIZER_NAME)
    optimizer.init(model.trainable_parameters())
    wanted = {name: value.shape for name, value in tree_flatten(optimizer.state)}
    if {name: value.shape for name, value in saved.items()} != wanted:
        raise _damaged(folder / checkpoint.OPTIMIZER_NAME, "it does not fit the optimizer")
    optimizer.state = tree_unflatten(list(saved.items()))
    set_random_state(state.random_state)
    mx.eval(model.parameters(), optimizer.state)


def _damaged(path: Path, what: str) -> Failure:
    return Failure(
        "checkpoint",
        "The checkpoint is damaged",
        f"{path}: {what}",
        "Resume from an earlier checkpoint.",
    )
