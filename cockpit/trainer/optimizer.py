"""The optimizer and its learning rate, built as mlx-lm builds them."""

from __future__ import annotations

import mlx.core as mx
import mlx.optimizers as optim
from mlx_lm.tuner.utils import build_schedule

from cockpit.core.plan import RunPlan
from cockpit.trainer.failures import Failure, brief

_CLASSES = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "muon": optim.Muon,
    "sgd": optim.SGD,
    "adafactor": optim.Adafactor,
}


def build(plan: RunPlan, constant_learning_rate: float | None = None) -> optim.Optimizer:
    """The plan's optimizer; ``constant_learning_rate`` replaces its rate and its schedule."""
    rate = plan.learning_rate if constant_learning_rate is None else constant_learning_rate
    arguments = dict(plan.optimizer_config.get(plan.optimizer, {}))
    try:
        if plan.lr_schedule and constant_learning_rate is None:
            rate = build_schedule(_schedule(plan))
        return _CLASSES[plan.optimizer](learning_rate=rate, **arguments)
    except (TypeError, ValueError) as error:
        raise Failure(
            "plan",
            "The optimizer could not be built",
            f"{plan.optimizer} with {arguments}: {brief(error)}",
            "Correct optimizer_config or lr_schedule in the plan.",
        ) from error


def hold_learning_rate(optimizer: optim.Optimizer, value: float) -> None:
    """Trains at ``value`` from now on. A step compiled before does not know yet."""
    optimizer._schedulers.pop("learning_rate", None)
    optimizer.learning_rate = value
    mx.eval(optimizer.state)


def _schedule(plan: RunPlan) -> dict[str, object]:
    assert plan.lr_schedule is not None
    document = plan.lr_schedule.model_dump()
    # step_decay and linear_schedule want whole steps; TOML and YAML may say 10.0.
    document["arguments"] = [
        int(a) if i and float(a).is_integer() and abs(a) >= 1 else a
        for i, a in enumerate(document["arguments"])
    ]
    return document
