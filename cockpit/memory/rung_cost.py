"""What the switches of the ladder cost in time: measured where that was, else estimated.

Measured is what runs of this machine took for the same data with and without the switch; an
estimate counts the multiplications of a step by the model's shape, and says that it is one.
"""

from __future__ import annotations

from cockpit.core.model_spec import ModelSpec
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory.forecast import spec_of
from cockpit.system import pace


class SwitchCosts:
    """Says what the switches of other plans cost beside ``plan``; each set is looked up once."""

    def __init__(self, plan: RunPlan):
        self._plan = plan
        self._known: dict[tuple[bool, int], str] = {}

    def __call__(self, after: RunPlan) -> str:
        """In words; empty if ``after`` turns none on, or nobody knows."""
        switches = (after.grad_checkpoint, after.loss_chunks)
        if switches not in self._known:
            changed = self._plan.with_changes(grad_checkpoint=switches[0], loss_chunks=switches[1])
            self._known[switches] = _in_words(self._plan, changed)
        return self._known[switches]


def _in_words(before: RunPlan, after: RunPlan) -> str:
    if after == before:
        return ""
    if (measured := _measured(before, after)) is not None:
        return f"an example takes {measured:.2f} times as long, measured on this machine"
    if after.grad_checkpoint == before.grad_checkpoint:
        return "what that costs in time is measured once it runs"
    factor = checkpointing_factor(after, _spec(after))
    if factor is None:
        return ""
    return f"an update takes about {factor:.2f} times as long, estimated from the model's shape"


def _measured(before: RunPlan, after: RunPlan) -> float | None:
    """The ratio of two paces on the plan's own data."""
    paces = [pace.pace_of(plan) for plan in (before, after)]
    known = [found.seconds_per_example for found in paces if found is not None and found.same_data]
    return known[1] / known[0] if len(known) == 2 and known[0] else None


def checkpointing_factor(plan: RunPlan, spec: ModelSpec | None) -> float | None:
    """How many times the multiplications of a step gradient checkpointing makes them.

    A block's weights are multiplied with once forward, once backward, once more where they are
    trained themselves, and once again if the block is recomputed: the trained ones alone are. The
    output matrix counts in both directions. None if the shape is not known, or if experts make
    the weights say little.
    """
    if spec is None or spec.parameters is None or spec.is_mixture_of_experts:
        return None
    hidden, layers, vocabulary = spec.hidden_size, spec.num_hidden_layers, spec.vocab_size
    if not hidden or not layers or not vocabulary:
        return None
    head = hidden * vocabulary
    body = spec.parameters - head * (1 if spec.tie_word_embeddings else 2)
    if body <= 0:
        return None
    trained = body if plan.num_layers < 1 else body * min(plan.num_layers, layers) / layers
    backward = 2 if plan.fine_tune_type == "full" else 1
    step = body + head + backward * trained + head
    return (step + trained) / step


def _spec(plan: RunPlan) -> ModelSpec | None:
    try:
        return spec_of(plan)
    except CockpitError:
        return None
