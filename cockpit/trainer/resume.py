"""What a checkpoint must hold so that training continues to the bit, and how it is taken up."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten

from cockpit import __version__
from cockpit.core import continuation
from cockpit.core.checkpoint_state import RESUME_NAME, ResumeRequest, TrainerState
from cockpit.core.continuation import Difference
from cockpit.core.plan import RunPlan
from cockpit.system import checkpoints, resume_content
from cockpit.system.identity import TRAIN_FILE
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.trainer import checkpoint
from cockpit.trainer.failures import Failure
from cockpit.trainer.inference import set_random_state
from cockpit.trainer.loading import Kept, load_arrays, load_weights

# What decides which examples a file of them makes.
_DIVIDING = ("max_seq_length", "long_examples")


@dataclass(frozen=True, slots=True)
class Content:
    """Model and data by what they hold: other names for the same things change nothing."""

    model_sha256: str
    data_sha256: str
    data_files: dict[str, str]


def versions() -> dict[str, str]:
    found = {name: metadata.version(name) for name in ("mlx", "mlx-lm")}
    return found | {"cockpit": __version__, "python": platform.python_version()}


def arrays(
    model: nn.Module, optimizer: optim.Optimizer, kept: Kept
) -> dict[str, dict[str, mx.array]]:
    """What a checkpoint stores of the model (as mlx-lm saves it) and of the optimizer."""
    return {
        checkpoint.ADAPTERS_NAME: kept.weights(model),
        checkpoint.OPTIMIZER_NAME: dict(tree_flatten(optimizer.state)),
    }


def adapter_config(plan: RunPlan, kept: Kept) -> dict[str, Any]:
    """adapter_config.json: the plan in mlx-lm's words, from which it rebuilds the adapters.

    Its num_layers is the depth that has any, which is more than is trained once layers dropped.
    """
    document = plan.model_dump(mode="json") | {"num_layers": kept.layers}
    if plan.fine_tune_type == "full":
        document["lora_parameters"] = None
    return document


def asked_for(attempt: AttemptDir) -> ResumeRequest | None:
    """What resume.json in the attempt's folder asks for; None without one."""
    try:
        return checkpoints.request(attempt.path)
    except ValueError as error:
        raise Failure(
            "checkpoint",
            "The resume request cannot be read",
            f'{attempt.path / RESUME_NAME}: expected {{"checkpoint": "0000100"}}',
            "Resume the run again.",
        ) from error


def folder_of(run: RunDir, request: ResumeRequest) -> Path:
    return run.checkpoints / Path(request.checkpoint).name


def peek(run: RunDir, attempt: AttemptDir) -> tuple[ResumeRequest, TrainerState] | None:
    """What an attempt continues from, unverified; None if it starts fresh or cannot say."""
    try:
        request = asked_for(attempt)
        if request is None or not request.checkpoint:
            return None
        return request, checkpoints.read_state(folder_of(run, request))
    except (Failure, checkpoints.DamagedError):
        return None


def read(folder: Path) -> TrainerState:
    """The state in a checkpoint whose files are all as they were written; Failure."""
    try:
        return checkpoints.read(folder)
    except checkpoints.DamagedError as error:
        raise _damaged(str(error)) from error


def check(
    state: TrainerState, plan: RunPlan, content: Content, device: str, folder: Path, depth: int
) -> list[str]:
    """What will differ from an uninterrupted run; Failure naming all that cannot go on.

    ``depth`` is the number of the model's blocks.
    """
    found = continuation.differences(state.plan, plan, depth)
    if content.model_sha256 != state.model_sha256:
        found.append(resume_content.other_model(state, plan.model))
    if content.data_sha256 != state.data_sha256:
        found.append(_other_examples(state, plan, content))
    refused = [str(difference) for difference in found if difference.refused]
    if refused:
        raise Failure(
            "checkpoint",
            "The checkpoint cannot go on under this plan",
            "\n".join([f"{folder}:", *refused]),
            "Leave those as they were, or start a new run with resume_adapter_file.",
        )
    changed = state.doubts + [str(difference) for difference in found if difference.effect]
    changed += continuation.version_warnings(state.versions, versions())
    if state.device and state.device != device:
        changed.append(
            f"the device was {state.device} and is {device}: the run goes on, but its results may "
            "differ in the last bits"
        )
    return changed


def _other_examples(state: TrainerState, plan: RunPlan, content: Content) -> Difference:
    """Of the same file there are other examples where other ones are left out, or in pieces."""
    before, now = f"content {state.data_sha256[:8]}", f"content {content.data_sha256[:8]}"
    train = state.data_files.get(TRAIN_FILE)
    same_file = train is not None and train == content.data_files.get(TRAIN_FILE)
    if same_file and any(state.plan.get(name) != getattr(plan, name) for name in _DIVIDING):
        return Difference("examples", before, now, continuation.REDRAWN)
    effect = "its tokens are not those it was trained on, so the place in it is lost"
    return Difference("data", before, now, effect, refused=True)


def restore(
    folder: Path, state: TrainerState, model: nn.Module, optimizer: optim.Optimizer, kept: Kept
) -> None:
    """Weights, moments and random state as they were after ``state.update`` updates.

    The learning rate is the plan's, or a command's: both are in ``optimizer`` already. Moments
    of kept weights that the plan no longer trains are left behind.
    """
    if load_weights(model, folder / checkpoint.ADAPTERS_NAME, kept.names):
        raise _damaged(f"{folder / checkpoint.ADAPTERS_NAME}: weights are missing")
    saved = load_arrays(folder / checkpoint.OPTIMIZER_NAME)
    optimizer.init(model.trainable_parameters())
    wanted = {name: value.shape for name, value in tree_flatten(optimizer.state)}
    taken = {name: value for name, value in saved.items() if name in wanted}
    frozen = kept.names - {name for name, _ in tree_flatten(model.trainable_parameters())}
    left = {name.rpartition(".")[0] for name in saved.keys() - wanted.keys()}
    if {name: value.shape for name, value in taken.items()} != wanted or not left <= frozen:
        raise _damaged(f"{folder / checkpoint.OPTIMIZER_NAME}: it does not fit the optimizer")
    rate = optimizer.learning_rate
    optimizer.state = tree_unflatten(list(taken.items()))
    if "learning_rate" not in optimizer._schedulers:
        optimizer.learning_rate = rate
    set_random_state(state.random_state)
    mx.eval(model.parameters(), optimizer.state)


def _damaged(what: str) -> Failure:
    return Failure(
        "checkpoint", "The checkpoint is damaged", what, "Resume from an earlier checkpoint."
    )
