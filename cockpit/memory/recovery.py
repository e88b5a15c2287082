"""Recovery: what ended a run, which ways on there are and what each costs, and taking one.

``examine`` reads files alone, ``ladder`` forecasts and takes seconds, ``take`` adds the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cockpit.core import ladder as rung_order
from cockpit.core.checkpoint_state import ResumeRequest
from cockpit.core.events import Diagnosis, Recovery
from cockpit.core.ladder import Cure, Ladder, Rung
from cockpit.core.plan import RunPlan
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.memory import fit, recovery_budget
from cockpit.memory.custom_rung import custom_rung
from cockpit.memory.fit import Ask, Limits
from cockpit.memory.recovery_budget import Budget, Death
from cockpit.memory.rungs import MemoryRungs, Question, buffer_rungs
from cockpit.system import checkpoints, death, hardware, observe, plan_file, recoveries, resume
from cockpit.system.resume import ResumePlan
from cockpit.system.run_dir import AttemptDir, RunDir

STOPPED = Diagnosis(kind="stopped", title="The run was stopped, as asked")


@dataclass(frozen=True, slots=True)
class Situation:
    """A run that is not going on, and where it would go on from.

    ``plan`` is the next attempt's without any rung; ``died_with`` the one that ended. Without a
    ``checkpoint`` the next attempt starts from scratch, and ``scratch_reason`` says why.
    ``timeline`` is the memory up to the end, oldest first. ``peak_bytes`` is MLX's own.
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
    state = observe.current_state(run)
    if state.status == "completed":
        raise CockpitError(
            "There is nothing to recover",
            f"{run.name} is complete, after {state.update} updates",
            f"Give it more: cockpit resume {run.name} --iters N",
        )
    newest = run.attempts()[-1]
    diagnosis = death.diagnosis_of(run, state) or STOPPED
    ended = recoveries.exit_of(run, newest)
    asked = overrides or {}
    try:
        checkpoints.newest_whole(run)
    except CockpitError as error:
        going_on, scratch_reason = None, error.message
        plan = _from_scratch(run.plan_of(newest), asked)
    else:
        going_on, scratch_reason = resume.prepare(run, asked), ""
        plan = going_on.plan
    return Situation(
        run=run,
        attempt=newest.number,
        status=state.status,
        diagnosis=diagnosis,
        cure=rung_order.cure_of(diagnosis),
        died_with=run.plan_of(newest),
        plan=plan,
        checkpoint=going_on.checkpoint if going_on else None,
        from_update=going_on.state.update if going_on else 0,
        last_update=state.update,
        timeline=tuple(state.memory),
        peak_bytes=last.peak_bytes if (last := recoveries.last_update(newest)) else None,
        high_water_bytes=ended.high_water_bytes if ended else None,
        loaded_bytes=_least_after_loading(newest, state.memory),
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


def _from_scratch(plan: RunPlan, overrides: dict[str, Any]) -> RunPlan:
    fields = plan.model_dump(exclude_none=True)
    plan_file.merge(fields, overrides)
    return plan_file.validate(fields, "the recovered plan")


# Tokens of every training example of a plan; None if they cannot be known.
Lengths = Callable[[RunPlan], Sequence[int] | None]


def ladder(
    situation: Situation | RunPlan,
    ask: Ask,
    limits: Limits,
    lengths: Lengths | None = None,
    *,
    until_fits: bool = False,
) -> Ladder:
    """The ways on, each priced: of a run that ended, or of a plan before its launch.

    ``ask`` forecasts a plan and takes its time, so call this away from any screen. With
    ``until_fits`` it ends at the rung that would be preselected, which takes a few forecasts.
    """
    plan = situation if isinstance(situation, RunPlan) else situation.plan
    cure = "memory" if isinstance(situation, RunPlan) else situation.cure
    budget = budget_of(situation, ask)
    if cure == "other":
        return Ladder((), None, budget.size_bytes, budget.reason)
    known = lengths(plan) if lengths is not None else None
    goes_on = isinstance(situation, Situation) and situation.checkpoint is not None
    question = Question(plan, budget.size_bytes, limits, known, goes_on)
    found: list[Rung] = []
    for rung in buffer_rungs(question) if cure == "buffers" else MemoryRungs(question, ask):
        found.append(_checked(situation, rung))
        if until_fits and found[-1].fits and found[-1].offered and not found[-1].below_floor:
            break
    rungs = tuple(found)
    first = rung_order.preselect(rungs)
    if cure == "buffers":
        # A count is not forecast: the first that there is.
        first = next((place for place, rung in enumerate(rungs) if rung.offered), None)
    return Ladder(rungs, first, budget.size_bytes, budget.reason)


def budget_of(situation: Situation | RunPlan, ask: Ask) -> Budget:
    """What a way on may need: this machine's budget, and after a death no more than that proved."""
    machine_bytes = _machine_bytes()
    if isinstance(situation, RunPlan) or situation.cure != "memory":
        return recovery_budget.after(None, machine_bytes)
    try:
        forecast = ask(situation.died_with)
    except CockpitError:
        forecast = None
    return recovery_budget.after(
        Death(
            samples=[sample for _, sample in situation.timeline],
            mlx_peak_bytes=situation.peak_bytes,
            high_water_bytes=situation.high_water_bytes,
            loaded_bytes=situation.loaded_bytes,
            forecast=forecast,
            in_vain=situation.in_vain,
        ),
        machine_bytes,
    )


def custom(
    situation: Situation,
    changes: dict[str, Any],
    ask: Ask,
    budget_bytes: int | None,
    limits: Limits | None = None,
    lengths: Lengths | None = None,
) -> Rung:
    """A way of one's own: these plan fields on top of the next attempt's plan, priced.

    What counts in iterations follows the batch. CockpitError names a field or value that is
    wrong, or what the checkpoint cannot go on under.
    """
    plan = situation.plan
    known = lengths(plan) if lengths is not None else None
    goes_on = situation.checkpoint is not None
    question = Question(plan, budget_bytes, limits or Limits(None), known, goes_on)
    rung = custom_rung(question, changes, ask)
    checked = _checked(situation, rung) if rung.changes else rung
    if rung.offered and not checked.offered:
        raise CockpitError(
            "The checkpoint cannot go on under this change",
            checked.why_not,
            "Leave that as it was, or start a new run with it.",
        )
    return checked


def take(
    situation: Situation,
    rung: Rung | None,
    *,
    automatic: bool = False,
    launch: bool = True,
    budget_bytes: int | None = None,
) -> AttemptDir:
    """Adds the attempt that goes on with the rung's changes, and starts its supervisor.

    Without a rung the run goes on, or starts over, as it was. Without ``launch`` the attempt is
    there and nothing runs it yet. Raises CockpitError.
    """
    run, changes = situation.run, rung.changes if rung is not None else {}
    if situation.resume is not None:
        asked: dict[str, Any] = {}
        plan_file.merge(asked, situation.overrides)
        plan_file.merge(asked, changes)
        prepared = resume.prepare(run, asked)
        prepared.raise_refusal()
        plan, request = prepared.plan, prepared.request
    else:
        plan, request = _from_scratch(situation.plan, changes), ResumeRequest(checkpoint="")
    recovery = None if rung is None else _record(situation, rung, plan, automatic, budget_bytes)
    forecast = rung.forecast.document(budget_bytes) if rung and rung.forecast else None
    request = request.model_copy(update={"recovery": recovery})
    return resume.begin(run, situation.attempt, plan, forecast, request, launch=launch)


def _record(
    situation: Situation, rung: Rung, plan: RunPlan, automatic: bool, budget_bytes: int | None
) -> Recovery:
    return Recovery(
        after_attempt=situation.attempt,
        rung=rung.kind,
        title=rung.title,
        changes=fit.changed(situation.died_with, plan),
        from_update=situation.from_update,
        lost_updates=situation.lost_updates,
        forecast_bytes=rung.forecast.peak_bytes if rung.forecast else None,
        budget_bytes=budget_bytes,
        automatic=automatic,
        cause=situation.diagnosis.title,
    )


def _checked(situation: Situation | RunPlan, rung: Rung) -> Rung:
    """What the checkpoint cannot go on under is not offered, and says so."""
    if isinstance(situation, RunPlan) or situation.resume is None or not rung.offered:
        return rung
    asked: dict[str, Any] = {}
    plan_file.merge(asked, situation.overrides)
    plan_file.merge(asked, rung.changes)
    try:
        refused = resume.prepare(situation.run, asked).refused
    except CockpitError as error:
        return replace(rung, why_not=error.title)
    return replace(rung, why_not=str(refused[0])) if refused else rung


def _machine_bytes() -> int | None:
    try:
        return hardware.this_machine().budget_bytes
    except CockpitError:
        return None
