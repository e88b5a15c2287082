"""From a plan to everything in memory, ready for its next update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx_lm.utils import maybe_set_recommended_wired_limit

from cockpit.core.checkpoint_state import ResumeRequest, TrainerState
from cockpit.core.events import ModelLoaded, Note, PhaseChanged
from cockpit.core.plan import RunPlan
from cockpit.system import high_water, identity
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.trainer import data, loading, optimizer, resume
from cockpit.trainer.emit import Emitter
from cockpit.trainer.failures import Failure, Stopped
from cockpit.trainer.gradient_checkpoint import checkpoint_blocks
from cockpit.trainer.job import Job, Progress
from cockpit.trainer.order import Order
from cockpit.trainer.ranks import Ranks


def build(
    run: RunDir,
    attempt: AttemptDir,
    plan: RunPlan,
    ranks: Ranks,
    emit: Emitter,
    device: str,
    stop_requested: Callable[[], bool],
) -> tuple[Job, Progress]:
    """Loads model, data and, on a resume, the checkpoint; raises CockpitError or Stopped."""

    def progress_detail(detail: str) -> None:
        emit(PhaseChanged(phase="loading", detail=detail))
        if stop_requested():
            raise Stopped

    _check_ranks(plan, ranks)
    maybe_set_recommended_wired_limit()
    progress_detail("model")
    folder = loading.model_folder(plan, progress_detail)
    loaded = loading.load(folder, plan)
    progress_detail("data")
    examples = data.load(plan, loaded.tokenizer, progress_detail)
    content = _content(folder, plan, examples)
    request = resume.asked_for(attempt)
    if request is None or not request.checkpoint:
        start = _begin(loaded.model, plan, request.held_learning_rate if request else None)
    else:
        start = _go_on(run, request, loaded.model, plan, content, device)
    progress = start.progress
    if ranks.rank:
        # The same weights everywhere, other dropout masks on each rank.
        mx.random.seed((ranks.rank << 32) + plan.seed + progress.update)
    if plan.grad_checkpoint:
        checkpoint_blocks(loaded.model.layers)
    job = Job(
        run=run,
        attempt=attempt.number,
        plan=plan,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        kept=start.kept,
        optimizer=start.optimizer,
        data=examples,
        content=content,
        device=device,
        order=Order(examples.train.lengths, plan.examples_per_update, plan.seed),
        ranks=ranks,
        emit=emit,
    )
    _announce(job, loaded)
    for note in (*_notes(job, loaded), *start.notes):
        emit(note)
    return job, progress


@dataclass(frozen=True, slots=True)
class _Start:
    """What the first update of an attempt finds, beside the model that was made ready for it."""

    kept: loading.Kept
    optimizer: optim.Optimizer
    progress: Progress
    notes: list[Note]


def _begin(model: nn.Module, plan: RunPlan, held_rate: float | None) -> _Start:
    kept = loading.prepare(model, plan)
    fresh = loading.start_from_adapter(model, plan, kept)
    notes = []
    if plan.resume_adapter_file:
        message = (
            f"Weights only from {plan.resume_adapter_file}: optimizer, position in the data and "
            "random state start fresh."
        )
        notes.append(Note(message=message))
    if fresh:
        message = f"{fresh} adapter arrays are not in {plan.resume_adapter_file}; they start fresh."
        notes.append(Note(level="warning", message=message))
    if held_rate is not None:
        message = f"The learning rate stays {held_rate:g}, as a command set it."
        notes.append(Note(message=message))
    progress = Progress(iters=plan.iters, held_learning_rate=held_rate)
    return _Start(kept, optimizer.build(plan, held_rate), progress, notes)


def _go_on(
    run: RunDir,
    request: ResumeRequest,
    model: nn.Module,
    plan: RunPlan,
    content: resume.Content,
    device: str,
) -> _Start:
    folder = resume.folder_of(run, request)
    state = resume.read(folder)
    changed = resume.check(state, plan, content, device, folder, len(model.layers))
    kept = loading.prepare(model, plan, state.kept_layers)
    progress = progress_of(state, plan, request)
    optimizer_ = optimizer.build(plan, progress.held_learning_rate)
    resume.restore(folder, state, model, optimizer_, kept)
    notes = [Note(message=f"Resumed from the checkpoint at update {progress.update}.")]
    notes += [Note(level="warning", message=f"Unlike before: {change}.") for change in changed]
    return _Start(kept, optimizer_, progress, notes)


def progress_of(
    state: TrainerState, plan: RunPlan, request: ResumeRequest | None = None
) -> Progress:
    """Where the checkpoint left off, with what the request sets in place of its own.

    Without a request iters changed by command hold unless the plan changed too.
    """
    validated = state.validation_loss
    iters = state.iters if plan.iters == state.planned_iters else plan.iters
    rate = state.held_learning_rate
    if request is not None and request.iters is not None:
        iters = request.iters
    if request is not None and "held_learning_rate" in request.model_fields_set:
        rate = request.held_learning_rate
    return Progress(
        iters=iters,
        update=state.update,
        trained_tokens=state.trained_tokens,
        held_learning_rate=rate,
        best_validation=state.best_validation,
        last_validation=None if validated is None else (state.update, validated),
        saved_update=state.update,
        patience=state.patience,
    )


def _content(folder: Path, plan: RunPlan, examples: data.Data) -> resume.Content:
    local = bool(plan.data) and not plan.hf_dataset and Path(plan.data).is_dir()
    return resume.Content(
        model_sha256=identity.model_sha256(folder),
        data_sha256=examples.train.sha256(),
        data_files=identity.data_sha256s(Path(plan.data)) if local else {},
    )


def _check_ranks(plan: RunPlan, ranks: Ranks) -> None:
    if plan.batch_size % ranks.size:
        raise Failure(
            "plan",
            "The batch cannot be shared out",
            f"batch_size is {plan.batch_size} for {ranks.size} ranks",
            f"Set batch_size to a multiple of {ranks.size}.",
        )


def _announce(job: Job, loaded: loading.Loaded) -> None:
    plan, train = job.plan, job.data.train
    trainable = [value for _, value in tree_flatten(job.model.trainable_parameters())]
    job.emit(
        ModelLoaded(
            parameters=loaded.parameters,
            trainable_parameters=sum(value.size for value in trainable),
            layers=len(job.model.layers),
            train_examples=len(train),
            valid_examples=len(job.data.valid),
            test_examples=len(job.data.test),
            truncated_examples=train.truncated(plan),
            longest_tokens=train.longest,
            high_water_bytes=high_water.own(),
        )
    )


def _notes(job: Job, loaded: loading.Loaded) -> Iterator[Note]:
    plan, train = job.plan, job.data.train
    cast = ", the fast one on this CPU" if loading.casts_to_float32() else ""
    yield Note(message=f"Training in {loaded.dtype}{cast}.")
    if truncated := train.truncated(plan):
        yield Note(
            level="warning",
            message=f"{truncated:,} of {len(train):,} examples are longer than max_seq_length "
            f"({plan.max_seq_length}) and are cut; the longest has {train.longest:,} tokens.",
            remedy="Raise max_seq_length, or split long examples.",
        )
    elif long := train.long(plan.max_seq_length):
        yield Note(
            message=f"{long:,} of {len(train):,} examples are longer than max_seq_length "
            f"({plan.max_seq_length}) and go through in pieces; the longest has "
            f"{train.longest:,} tokens."
        )
    if train.left_out:
        yield Note(
            level="warning",
            message=f"{train.left_out:,} examples are left out: their prompts alone fill "
            f"max_seq_length ({plan.max_seq_length}), so no answer could be learned.",
            remedy="Raise max_seq_length, or shorten those prompts.",
        )
    if not len(job.data.valid):
        yield Note(
            level="warning",
            message="There is no validation data: overfitting will not be seen.",
            remedy="Add valid.jsonl to the data folder.",
        )
