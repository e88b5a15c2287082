"""The largest batches a run will see, from the real lengths of its examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cockpit.core.plan import RunPlan
from cockpit.memory.analytic import padded_length
from cockpit.trainer.order import Order, evaluation_examples

# Beyond this many updates every example is seen often enough to be in the last batch once.
_UPDATES_LOOKED_AT = 5_000

# Examples in a batch, and its padded length with the last token, which is only a target.
BatchShape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Batches:
    """The largest training and validation batch; None without validation data.

    ``longest_tokens`` is the longest example among them, uncut; None if lengths are not known.
    """

    train: BatchShape
    valid: BatchShape | None
    longest_tokens: int | None = None


def full_length(plan: RunPlan) -> Batches:
    """Every example fills ``max_seq_length``."""
    shape = (plan.batch_size, plan.max_seq_length)
    return Batches(shape, shape)


def of_data(plan: RunPlan, train: Sequence[int], valid: Sequence[int] = ()) -> Batches:
    """The batches of ``plan`` on examples of these lengths, in tokens."""
    longest = _longest_seen(plan, np.asarray(train, dtype=np.int64))
    return Batches(
        (plan.batch_size, padded_length(longest, plan.max_seq_length)),
        _largest_valid(plan, np.asarray(valid, dtype=np.int64)) if len(valid) else None,
        longest,
    )


def _longest_seen(plan: RunPlan, lengths: np.ndarray) -> int:
    """An epoch leaves a remainder out, so a short run may never see the longest example."""
    if plan.updates > _UPDATES_LOOKED_AT:
        return int(lengths.max())
    order = Order(lengths, plan.examples_per_update, plan.seed)
    return max(int(lengths[order.examples(update)].max()) for update in range(plan.updates))


def _largest_valid(plan: RunPlan, lengths: np.ndarray) -> BatchShape | None:
    batches = evaluation_examples(lengths, plan.batch_size, plan.val_batches, plan.seed)
    shapes = [
        (len(batch), padded_length(int(lengths[batch].max()), plan.max_seq_length))
        for batch in batches
    ]
    return max(shapes, key=lambda shape: shape[0] * shape[1], default=None)
