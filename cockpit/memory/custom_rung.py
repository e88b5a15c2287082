"""A rung that a person wrote: their fields, with everything that follows from them."""

from __future__ import annotations

from typing import Any

from cockpit.core.ladder import MEMORY_RUNGS, Rung, RungKind
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory import fit
from cockpit.memory.fit import Ask
from cockpit.memory.rung_question import Question, describe, priced
from cockpit.system import plan_file

# They count micro-batches, so they follow the batch and are nobody's own choice here.
_IN_ITERATIONS = ("iters", "steps_per_report", "steps_per_eval", "save_every")
_IN_BATCHES = ("val_batches", "test_batches")


def custom_rung(question: Question, changes: dict[str, Any], ask: Ask) -> Rung:
    """``changes`` as a rung, priced; an update keeps its examples unless they say otherwise.

    It is offered even if it is not expected to fit. Raises CockpitError for a wrong value.
    """
    asked = {
        name: value
        for name, value in changes.items()
        if name not in (*_IN_ITERATIONS, *_IN_BATCHES)
    }
    plan = _with(question.plan, asked)
    way = priced(ask, plan)
    if way.refused:
        raise CockpitError(
            "The model cannot be trained like that", way.refused, "Leave that field as it was."
        )
    return describe(question, _kind(question.plan, plan), way, offered=True)


def _with(plan: RunPlan, changes: dict[str, Any]) -> RunPlan:
    """``plan`` with ``changes`` and with as many updates, and examples in each, as before."""
    fields = plan.model_dump(exclude_none=True)
    plan_file.merge(fields, changes)
    made = plan_file.validate(fields, "the changed plan")
    if made.batch_size != plan.batch_size and "grad_accumulation_steps" not in changes:
        if plan.examples_per_update % made.batch_size:
            raise CockpitError(
                "The batch does not divide an update",
                f"an update takes {plan.examples_per_update} examples, batch_size is "
                f"{made.batch_size}",
                "Choose a batch_size that divides it, or give grad_accumulation_steps too.",
            )
        steps = plan.examples_per_update // made.batch_size
        iters = max(made.iters, plan.updates * steps)
        made = made.with_changes(grad_accumulation_steps=steps, iters=iters)
    return _following(plan, made)


def _following(before: RunPlan, after: RunPlan) -> RunPlan:
    """``after`` with as many updates, and intervals between them, as ``before``.

    Validation sees as many examples as before, as far as whole batches allow.
    """
    changes: dict[str, Any] = {}
    if after.grad_accumulation_steps != before.grad_accumulation_steps:
        steps, now = before.grad_accumulation_steps, after.grad_accumulation_steps
        changes = {name: -(-getattr(before, name) // steps) * now for name in _IN_ITERATIONS}
        changes["iters"] = before.updates * now
    if after.batch_size != before.batch_size:
        for name in _IN_BATCHES:
            if (batches := getattr(before, name)) > 0:
                changes[name] = max(1, batches * before.batch_size // after.batch_size)
    return after.with_changes(**changes) if changes else after


def _kind(before: RunPlan, after: RunPlan) -> RungKind:
    """The last rung of the ladder that is part of it; batch_size where none is."""
    changed = fit.changed(before, after)
    kinds = [kind for kind in MEMORY_RUNGS if kind in changed]
    if "clear_cache_threshold" in changed and not kinds:
        return "clear_cache_threshold"
    return kinds[-1] if kinds else "batch_size"
