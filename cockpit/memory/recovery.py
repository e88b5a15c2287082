"""Recovery: which ways on there are, what each costs, and taking one.

``ladder`` forecasts and takes seconds, ``take`` adds the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cockpit.core import ladder as rung_order
from cockpit.core.events import Recovery
from cockpit.core.ladder import Ladder, Rung
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.memory import fit, recovery_budget
from cockpit.memory.buffer_rungs import buffer_rungs
from cockpit.memory.custom_rung import custom_rung
from cockpit.memory.fit import Ask, Limits
from cockpit.memory.recovery_budget import Budget, Death
from cockpit.memory.rung_cost import SwitchCosts
from cockpit.memory.rung_question import Question
from cockpit.memory.rungs import MemoryRungs
from cockpit.memory.situation import Situation, start_over
from cockpit.system import hardware, plan_file, resume
from cockpit.system.run_dir import AttemptDir

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
    costs = SwitchCosts(plan)
    question = Question(plan, budget.size_bytes, limits, known, goes_on, costs)
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
    machine = _machine()
    machine_bytes = machine.budget_bytes if machine is not None else None
    if isinstance(situation, RunPlan) or situation.cure != "memory":
        return recovery_budget.after(None, machine_bytes)
    try:
        forecast = ask(situation.died_with)
    except CockpitError:
        forecast = None
    death = Death(mlx_peak_bytes=situation.peak_bytes, forecast=forecast, in_vain=situation.in_vain)
    if machine is None or machine.backend != "cuda":
        death = replace(
            death,
            samples=[sample for _, sample in situation.timeline],
            high_water_bytes=situation.high_water_bytes,
            loaded_bytes=situation.loaded_bytes,
            room_bytes=situation.room_bytes,
        )
    return recovery_budget.after(death, machine_bytes)


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
    costs = SwitchCosts(plan)
    question = Question(plan, budget_bytes, limits or Limits(None), known, goes_on, costs)
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
        plan, request = start_over(situation, changes)
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
        forecast_bytes=rung.forecast.needed_bytes if rung.forecast else None,
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


def _machine() -> HardwareProfile | None:
    try:
        return hardware.this_machine()
    except CockpitError:
        return None
