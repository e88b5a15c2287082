"""From a plan to everything in memory, ready for its next update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import maybe_set_recommended_wired_limit

from cockpit.core.events import ModelLoaded, Note, PhaseChanged
from cockpit.core.plan import RunPlan
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
    loaded = loading.load(loading.model_folder(plan, progress_detail), plan)
    progress_detail("data")
    examples = data.load(plan, loaded.tokenizer, progress_detail)
    identity = examples.train.sha256()
    fresh = loading.prepare(loaded.model, plan)
    progress = Progress(iters=plan.iters)
    taken_up = _checkpoint(run, attempt, plan, identity)
    if taken_up is not None:
        progress = progress_of(taken_up[1], plan)
    optimizer_ = optimizer.build(plan, progress.held_learning_rate)
    if taken_up is not None:
        resume.restore(*taken_up, loaded.model, optimizer_)
    if ranks.rank:
        # The same weights everywhere, other dropout masks on each rank.
        mx.random.seed((ranks.rank << 32) + plan.seed + progress.update)
    if plan.grad_checkpoint:
        checkpoint_blocks(loaded.model.layers)
    job = Job(
        run=run,
        plan=plan,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        optimizer=optimizer_,
        data=examples,
        data_sha256=identity,
        order=Order(examples.train.lengths, plan.examples_per_update, plan.seed),
        ranks=ranks,
        emit=emit,
    )
    _announce(job, loaded, fresh)
    return job, progress


def _checkpoint(
    run: RunDir, attempt: AttemptDir, plan: RunPlan, data_sha256: str
) -> tuple[Path, resume.TrainerState] | None:
    folder = resume.asked_for(run, attempt)
    if folder is None:
        return None
    state = resume.read(folder)
    resume.check(state, resume.facts(plan, data_sha256), folder)
    return folder, state


def progress_of(state: resume.TrainerState, plan: RunPlan) -> Progress:
    """Where the checkpoint left off; iters changed by command hold unless the plan changed too."""
    validated = state.validation_loss
    return Progress(
        iters=state.iters if plan.iters == state.planned_iters else plan.iters,
        update=state.update,
        trained_tokens=state.trained_tokens,
        held_learning_rate=state.held_learning_rate,
        best_validation=state.best_validation,
        last_validation=None if validated is None else (state.update, validated),
        saved_update=state.update,
    )


def _check_ranks(plan: RunPlan, ranks: Ranks) -> None:
    if plan.batch_size % ranks.size:
        raise Failure(
            "plan",
            "The batch cannot be shared out",
            f"batch_size is {plan.batch_size} for {ranks.size} ranks",
            f"Set batch_size to a multiple of {ranks.size}.",
        )


def _announce(job: Job, loaded: loading.Loaded, fresh: int) -> None:
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
            truncated_examples=train.truncated(plan.max_seq_length),
            longest_tokens=train.longest,
        )
    )
    for note in _notes(job, loaded, fresh):
        job.emit(note)


def _notes(job: Job, loaded: loading.Loaded, fresh: int) -> Iterator[Note]:
    plan, train = job.plan, job.data.train
    cast = ", the fast one on this CPU" if loading.casts_to_float32() else ""
    yield Note(message=f"Training in {loaded.dtype}{cast}.")
    if truncated := train.truncated(plan.max_seq_length):
        yield Note(
            level="warning",
            message=f"{truncated:,} of {len(train):,} examples are longer than max_seq_length "
            f"({plan.max_seq_length}) and are cut; the longest has {train.longest:,} tokens.",
            remedy="Raise max_seq_length, or split long examples.",
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
    if fresh:
        yield Note(
            level="warning",
            message=f"{fresh} adapter arrays are not in {plan.resume_adapter_file}; they start "
            "fresh.",
        )
