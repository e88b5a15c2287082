"""Whether model and data are still what a checkpoint was trained on, by content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cockpit.core.checkpoint_state import TrainerState
from cockpit.core.continuation import Difference
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import identity
from cockpit.system.models import ModelEntry


def differences(state: TrainerState, plan: RunPlan, model: ModelEntry | None) -> list[Difference]:
    """What changed of both; what cannot be seen yet (a download) is left to the trainer."""
    try:
        return [*_model(state, plan, model), *_data(state, plan)]
    except OSError as error:
        raise CockpitError(
            "The run's model or data cannot be read",
            f"{error.filename}: {error.strerror}",
            "Make it readable, or put it back where it was.",
        ) from error


def other_model(state: TrainerState, now: str) -> Difference:
    """``now`` is the name of a model whose content is another one's."""
    before = str(state.plan.get("model"))
    told = f"{now}, with other weights or another configuration" if before == now else now
    effect = "the adapters were trained on the one before"
    return Difference("model", before, told, effect, refused=True)


def _model(state: TrainerState, plan: RunPlan, model: ModelEntry | None) -> Iterator[Difference]:
    before = state.plan.get("model")
    if model is None or model.path is None:
        if before != plan.model:
            yield Difference("model", before, plan.model, "the trainer compares them")
    elif identity.model_sha256(model.path) != state.model_sha256:
        yield other_model(state, plan.model)
    elif before != plan.model:
        yield Difference("model", before, plan.model)


def _data(state: TrainerState, plan: RunPlan) -> Iterator[Difference]:
    before, folder = state.plan.get("data"), Path(plan.data)
    if not plan.data or plan.hf_dataset or not folder.is_dir():
        if before != plan.data:
            yield Difference("data", before, plan.data, "the trainer compares them")
        return
    if before != plan.data:
        yield Difference("data", before, plan.data)
    now = identity.data_sha256s(folder)
    for name in identity.DATA_FILES:
        was, found = state.data_files.get(name), now.get(name)
        if was == found:
            continue
        train = name == "train.jsonl"
        yield Difference(
            name,
            _content(was),
            _content(found),
            "other examples would follow, so the place in the data is lost"
            if train
            else "validation losses are not of the same examples as before",
            refused=train,
        )


def _content(digest: str | None) -> str:
    return "missing" if digest is None else f"content {digest[:8]}"
