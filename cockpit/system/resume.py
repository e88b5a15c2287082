"""Continuing a run: what its directory already knows, what is asked to change, and whether it can.

Nothing here imports mlx: whoever asks gets an answer before a process is started.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core.checkpoint_state import ResumeRequest, TrainerState
from cockpit.core.continuation import Difference, differences, version_warnings
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import (
    checkpoints,
    history,
    last_plan,
    launcher,
    plan_file,
    preflight,
    resume_content,
    resume_words,
    run_lock,
    software,
)
from cockpit.system.resume_carry import Carried, carried
from cockpit.system.run_dir import AttemptDir, RunDir, add_attempt, all_runs
from cockpit.system.summary import digest

LOCK_NAME = "resume.lock"
_INTERVALS = ("steps_per_report", "steps_per_eval", "save_every")
_EVALUATIONS = ("val_batches", "test_batches")


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """A resume that was thought through and not begun.

    ``plan`` is what the next attempt runs with. ``inherited`` and ``overridden`` are lines for
    people; ``refused`` holds what keeps it from starting; ``passed_over`` says which newer
    checkpoints are damaged, and how.
    """

    run: RunDir
    checkpoint: Path
    state: TrainerState
    plan: RunPlan
    request: ResumeRequest
    inherited: tuple[str, ...]
    overridden: tuple[str, ...]
    refused: tuple[Difference, ...]
    warnings: tuple[str, ...]
    passed_over: tuple[str, ...]
    after_attempt: int

    def raise_refusal(self) -> None:
        """Raises the CockpitError that names what cannot be changed, if anything is."""
        if self.refused:
            raise CockpitError(
                "The checkpoint cannot go on under this plan",
                "\n".join(map(str, self.refused)),
                "Leave those as they were, or start a new run from the adapters alone: cockpit "
                f"train --resume-adapter-file {self.run.adapters}",
            )


def prepare(
    run: RunDir, overrides: dict[str, Any] | None = None, *, from_update: int | None = None
) -> ResumePlan:
    """How ``run`` would go on, from its newest whole checkpoint or that of ``from_update``.

    ``overrides`` are plan fields. Raises CockpitError for a run that is alive, has no usable
    checkpoint, is complete already, or whose model or data are gone.
    """
    _tidy(run)
    newest = run.attempts()[-1]
    checkpoint, state, passed_over = _choose(run, from_update)
    asked = overrides or {}
    known = last_plan.of(run, newest)
    kept = carried(run, newest, known.plan, state)
    plan = _new_plan(known.plan, asked, kept)
    found = preflight.examine(plan.with_changes(resume_adapter_file=None), room=False)
    found.raise_first()
    plan = found.plan.with_changes(resume_adapter_file=plan.resume_adapter_file)
    request = ResumeRequest(
        checkpoint=checkpoint.name,
        iters=plan.iters,
        held_learning_rate=None if {"learning_rate", "lr_schedule"} & asked.keys() else kept.rate,
    )
    _check_length(run, state, plan)
    depth = found.spec.num_hidden_layers if found.spec else None
    changed = differences(state.plan, plan, depth)
    changed += resume_content.differences(state, plan, found.model)
    return ResumePlan(
        run=run,
        checkpoint=checkpoint,
        state=state,
        plan=plan,
        request=request,
        inherited=tuple(resume_words.inherited(state, plan, request)),
        overridden=tuple(resume_words.overridden(state, plan, changed)),
        refused=tuple(d for d in changed if d.refused),
        warnings=(
            *filter(None, (known.doubt,)),
            *state.doubts,
            *(f"{d.field}: {d.effect}" for d in changed if d.effect and not d.refused),
            *version_warnings(state.versions, _installed()),
        ),
        passed_over=tuple(passed_over),
        after_attempt=newest.number,
    )


def start(prepared: ResumePlan, forecast: dict[str, Any] | None = None) -> AttemptDir:
    """Adds the attempt and starts its supervisor; raises CockpitError."""
    prepared.raise_refusal()
    run, after = prepared.run, prepared.after_attempt
    return begin(run, after, prepared.plan, forecast, prepared.request)


def begin(
    run: RunDir,
    after_attempt: int,
    plan: RunPlan,
    forecast: dict[str, Any] | None,
    request: ResumeRequest,
    *,
    launch: bool = True,
) -> AttemptDir:
    """Adds the attempt that comes after ``after_attempt`` and starts its supervisor.

    Of two who do so at once, one starts it and the other is told. Without ``launch`` a supervisor
    that is there already takes the attempt up. Raises CockpitError.
    """
    try:
        with _locked(run):
            refuse_if_alive(run)
            if run.attempts()[-1].number != after_attempt:
                raise _taken(run)
            asked = request.model_copy(update={"commands_from": _size(run.control)})
            attempt = add_attempt(run, plan, forecast, asked.model_dump(mode="json"))
            if launch:
                launcher.launch(run)
    except OSError as error:
        raise CockpitError(
            "The run could not be resumed",
            f"{error.filename or run.path}: {error.strerror}",
            "Free some space, or make the run's folder writable.",
            exit_code=1,
        ) from error
    return attempt


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def prepare_latest(
    overrides: dict[str, Any] | None = None, *, from_update: int | None = None
) -> ResumePlan:
    """``prepare`` for the newest run that can go on; CockpitError if none can."""
    reasons: list[str] = []
    for run in all_runs():
        try:
            return prepare(run, overrides, from_update=from_update)
        except CockpitError as error:
            reasons.append(f"{run.name}: {error.title}")
    raise CockpitError(
        "No run can be resumed",
        "\n".join(reasons[:5]) or "there are no runs yet",
        "List them with: cockpit runs",
    )


def refuse_if_alive(run: RunDir) -> None:
    """Raises CockpitError if something of the run still trains, or is about to by itself."""
    state = digest(run)
    if state.active and not _is_the_recovery(run, state):
        raise CockpitError(
            "The run is still going on",
            f"{run.name} is {state.status}, at update {state.update}",
            f"Watch it with: cockpit attach {run.name}",
        )


def _is_the_recovery(run: RunDir, state: RunState) -> bool:
    """Whether this process is the one that the run's supervisor has look for the way on."""
    return state.status == "recovering" and history.supervisor_pid(run) == os.getppid()


def _tidy(run: RunDir) -> None:
    if not run.attempts():
        raise CockpitError(
            "The run was never started",
            f"{run.path}: it has no attempt",
            f"Start over with the same plan: cockpit train {run.plan_path}",
        )
    refuse_if_alive(run)
    # A folder that cannot be written now is told when the run is started.
    with contextlib.suppress(OSError), _locked(run):
        refuse_if_alive(run)
        checkpoints.settle(run)


@contextlib.contextmanager
def _locked(run: RunDir) -> Iterator[None]:
    descriptor = run_lock.acquire(run, LOCK_NAME)
    if descriptor is None:
        raise _taken(run)
    try:
        yield
    finally:
        os.close(descriptor)


def _taken(run: RunDir) -> CockpitError:
    return CockpitError(
        "Someone else is resuming this run",
        run.name,
        f"Watch it with: cockpit attach {run.name}",
    )


def _choose(run: RunDir, update: int | None) -> tuple[Path, TrainerState, list[str]]:
    if update is None:
        return checkpoints.newest_whole(run)
    folder = run.checkpoints / checkpoints.name_of(update)
    there = checkpoints.complete(run)
    if folder not in there:
        known = ", ".join(str(int(path.name)) for path in sorted(there)) or "none"
        raise CockpitError(
            "There is no such checkpoint",
            f"{folder}: not there, or not complete",
            f"The checkpoints of this run are: {known}.",
        )
    try:
        return folder, checkpoints.read(folder), []
    except checkpoints.DamagedError as error:
        raise CockpitError(
            "The checkpoint is damaged", str(error), "Leave --from out: the newest whole is taken."
        ) from error


def _new_plan(plan: RunPlan, overrides: dict[str, Any], kept: Carried) -> RunPlan:
    """The newest attempt's plan with what commands made of it and with ``overrides`` on top."""
    fields = plan.model_dump(exclude_none=True) | {"iters": kept.iters}
    plan_file.merge(fields, overrides)
    if "learning_rate" in overrides and "lr_schedule" not in overrides:
        # mlx-lm trains at the schedule's rate where there is one: the number would do nothing.
        fields.pop("lr_schedule", None)
    made = plan_file.validate(fields, "the resumed plan")
    scaled = {n: v for n, v in _in_other_batches(plan, made, kept.iters) if n not in overrides}
    return plan_file.validate(fields | scaled, "the resumed plan") if scaled else made


def _in_other_batches(plan: RunPlan, made: RunPlan, iters: int) -> Iterator[tuple[str, int]]:
    """What counts batches, in those of ``made``: as many updates and examples as in ``plan``'s."""
    if made.grad_accumulation_steps != plan.grad_accumulation_steps:
        for name in _INTERVALS:
            yield name, plan.in_updates(getattr(plan, name)) * made.grad_accumulation_steps
        yield "iters", iters // plan.grad_accumulation_steps * made.grad_accumulation_steps
    if made.batch_size != plan.batch_size:
        for name in _EVALUATIONS:
            if (batches := getattr(plan, name)) > 0:
                yield name, math.ceil(batches * plan.batch_size / made.batch_size)


def _check_length(run: RunDir, state: TrainerState, plan: RunPlan) -> None:
    more = (state.update + max(1, plan.updates // 2)) * plan.grad_accumulation_steps
    if state.update >= plan.updates:
        raise CockpitError(
            "The run is complete",
            f"{run.name}: {state.update} of {plan.updates} updates are done",
            f"Give it more: cockpit resume {run.name} --iters {more}",
        )
    patience = plan.early_stopping_patience
    if patience and state.patience.stale >= patience:
        raise CockpitError(
            "The run has stopped early, as its plan asks",
            f"{run.name}: no better validation loss in {state.patience.stale} validations, "
            f"early_stopping_patience is {patience}",
            f"Go on all the same: cockpit resume {run.name} --early-stopping-patience 0",
        )


def _installed() -> dict[str, str]:
    found = {name: software.installed_version(name) for name in ("mlx", "mlx-lm")}
    return {name: version for name, version in found.items() if version}
