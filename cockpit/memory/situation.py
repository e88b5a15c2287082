"""What ended a run and where it would go on from, read from its files alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core import ladder as rung_order
from cockpit.core.checkpoint_state import ResumeRequest
from cockpit.core.events import Diagnosis
from cockpit.core.ladder import Cure
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import with_recovery
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, death, last_plan, observe, plan_file, recoveries, resume
from cockpit.system.resume import ResumePlan
from cockpit.system.resume_carry import carried
from cockpit.system.run_dir import AttemptDir, RunDir

STOPPED = Diagnosis(kind="stopped", title="The run was stopped, as asked")


@dataclass(frozen=True, slots=True)
class Situation:
    """A run that is not going on, and where it would go on from.

    ``plan`` is the next attempt's without any rung; ``died_with`` the one that ended. Without a
    ``checkpoint`` the next attempt starts from scratch, and ``scratch_reason`` says why.
    ``timeline`` is the memory up to the end, oldest first. ``peak_bytes`` is MLX's own, and
    ``room_bytes`` what the guard saw that the trainer could have had.
    """

    run: RunDir
    attempt: int
    status: str
    diagnosis: Diagnosis
    cure: Cure
    died_with: RunPlan
    plan: RunPlan
    checkpoint: Path | None
    from_update: int
    last_update: int
    timeline: tuple[tuple[float, MemorySample], ...]
    peak_bytes: int | None
    high_water_bytes: int | None
    loaded_bytes: int | None
    room_bytes: int | None
    in_vain: int
    resume: ResumePlan | None
    overrides: dict[str, Any]
    scratch_reason: str = ""

    @property
    def adapted_layers(self) -> int | None:
        """Blocks that the checkpoint has adapters in, -1 for all; None without a checkpoint."""
        return self.resume.state.kept_layers if self.resume is not None else None

    @property
    def lost_updates(self) -> int:
        """Updates that were made after the checkpoint, and will be made again."""
        return max(0, self.last_update - self.from_update)


def examine(run: RunDir, *, overrides: dict[str, Any] | None = None) -> Situation:
    """What ended ``run`` and where it would go on from; ``overrides`` are plan fields.

    Raises CockpitError for a run that is alive, complete or unusable.
    """
    if not run.attempts():
        raise CockpitError(
            "The run was never started",
            f"{run.path}: it has no attempt",
            f"Start over with the same plan: cockpit train {run.plan_path}",
        )
    resume.refuse_if_alive(run)
    # The supervisor's own recovery asks while the run counts as recovering.
    state = with_recovery(observe.current_state(run), False)
    if state.status == "completed":
        raise CockpitError(
            "There is nothing to recover",
            f"{run.name} is complete, after {state.update} updates",
            f"Give it more: cockpit resume {run.name} --iters N",
        )
    newest = run.attempts()[-1]
    diagnosis = death.diagnosis_of(run, state) or STOPPED
    guarded = diagnosis.kind == rung_order.GUARDED
    ended = recoveries.exit_of(run, newest)
    asked, known = overrides or {}, last_plan.of(run, newest)
    try:
        checkpoints.newest_whole(run)
    except CockpitError as error:
        going_on, scratch_reason = None, "\n".join(filter(None, (error.message, known.doubt)))
        kept = carried(run, newest, known.plan, None)
        plan = from_scratch(known.plan, {"iters": kept.iters} | asked)
    else:
        going_on, scratch_reason = resume.prepare(run, asked), ""
        plan = going_on.plan
    return Situation(
        run=run,
        attempt=newest.number,
        status=state.status,
        diagnosis=diagnosis,
        cure=rung_order.cure_of(diagnosis),
        died_with=known.plan,
        plan=plan,
        checkpoint=going_on.checkpoint if going_on else None,
        from_update=going_on.state.update if going_on else 0,
        last_update=state.update,
        timeline=tuple(state.memory),
        peak_bytes=last.peak_bytes if (last := recoveries.last_update(newest)) else None,
        high_water_bytes=ended.high_water_bytes if ended else None,
        loaded_bytes=_least_after_loading(newest, state.memory),
        room_bytes=state.guard.room_bytes if guarded and state.guard else None,
        in_vain=recoveries.in_a_row(run),
        resume=going_on,
        overrides=asked,
        scratch_reason=scratch_reason,
    )


def _least_after_loading(
    attempt: AttemptDir, memory: Iterable[tuple[float, MemorySample]]
) -> int | None:
    """What the trainer held when it had its model loaded, or less; None if nobody knows."""
    loaded = recoveries.loaded(attempt)
    if loaded is None:
        return None
    readings = [sample.footprint_bytes for t, sample in memory if t >= loaded.t]
    readings.append(loaded.high_water_bytes)
    return min((size for size in readings if size is not None), default=None)


def start_over(situation: Situation, changes: dict[str, Any]) -> tuple[RunPlan, ResumeRequest]:
    """The plan of an attempt that starts over with ``changes``, and what commands made of it.

    CockpitError names a change that is wrong.
    """
    plan = from_scratch(situation.plan, changes)
    asked = situation.overrides.keys() | changes.keys()
    ended = situation.run.attempt(situation.attempt)
    kept = carried(situation.run, ended, situation.died_with, None)
    held = None if {"learning_rate", "lr_schedule"} & asked else kept.rate
    return plan, ResumeRequest(checkpoint="", iters=plan.iters, held_learning_rate=held)


def from_scratch(plan: RunPlan, overrides: dict[str, Any]) -> RunPlan:
    """``plan`` with ``overrides``, for a run that starts over; CockpitError names a wrong one."""
    fields = plan.model_dump(exclude_none=True)
    plan_file.merge(fields, overrides)
    return plan_file.validate(fields, "the recovered plan")
