"""A resume in words: what goes on as it was, and what does not."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.core.checkpoint_state import ResumeRequest, TrainerState
from cockpit.core.continuation import Difference
from cockpit.core.plan import RunPlan


def inherited(state: TrainerState, plan: RunPlan, request: ResumeRequest) -> Iterator[str]:
    yield f"{plan.fine_tune_type} weights after {state.update} of {plan.updates} updates"
    if state.kept_layers != state.plan.get("num_layers"):
        layers = "all" if state.kept_layers < 1 else state.kept_layers
        yield f"what {layers} layers learned; {plan.num_layers} of them are trained"
    yield f"{plan.optimizer}'s moments and step, MLX's random state"
    yield f"place in the data: epoch {state.epoch + 1}, update {state.position + 1} of it"
    if request.held_learning_rate is not None:
        yield f"learning rate {request.held_learning_rate:g}, set while it ran"
    elif plan.lr_schedule:
        yield f"schedule {plan.lr_schedule.name} at update {state.update}"
    else:
        yield f"learning rate {plan.learning_rate:g}"
    if state.best_validation:
        update, loss = state.best_validation
        yield f"best validation loss {loss:.3f}, at update {update}"


def overridden(state: TrainerState, plan: RunPlan, changed: list[Difference]) -> Iterator[str]:
    iters = state.plan.get("iters")
    if iters != plan.iters:
        yield f"iters: {iters} -> {plan.iters}"
    yield from (difference.change for difference in changed)
